from starlette.applications import Starlette
from starlette.responses import PlainTextResponse
from starlette.routing import Route


def index(request):
    return PlainTextResponse("served by Starlette")


app = Starlette(routes=[Route("/", index)])
