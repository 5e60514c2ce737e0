package main

import (
	"fmt"
	"log"
	"net/http"
	"os"
	"runtime"
)

func main() {
	http.HandleFunc("/", func(w http.ResponseWriter, r *http.Request) {
		fmt.Fprintf(w, "Hello from %s: %s %s\n", runtime.Version(), r.Method, r.URL.Path)
	})
	log.Fatal(http.ListenAndServe(":"+os.Getenv("PORT"), nil))
}
