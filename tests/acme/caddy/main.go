// Caddy as it is released, with the DNS module of these tests.
package main

import (
	caddycmd "github.com/caddyserver/caddy/v2/cmd"
	_ "github.com/caddyserver/caddy/v2/modules/standard"

	_ "acme/nsupdate"
)

func main() { caddycmd.Main() }
