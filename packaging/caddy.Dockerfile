# Caddy with the module of a DNS provider, for certificates by DNS-01 (docs/tls.md). It needs no other file:
#
#   docker build -f packaging/caddy.Dockerfile --build-arg MODULES=github.com/caddy-dns/cloudflare -t caddy-dns:2.11 packaging
#
# MODULES: what `xcaddy build --with` takes, better with a version (…@v0.2.2); several, such as a storage module, with spaces between.
FROM caddy:2.11-builder AS build
ARG MODULES
RUN for module in ${MODULES}; do set -- "$@" --with "$module"; done \
 && xcaddy build "$@" --output /usr/bin/caddy \
 && caddy list-modules | grep '^dns\.providers\.'

FROM caddy:2.11-alpine
COPY --from=build /usr/bin/caddy /usr/bin/caddy
USER 65532:65532
