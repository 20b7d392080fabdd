package main

import (
	"fmt"
	"io"
	"log"
	"net/http"
	"strings"
)

func show(response *http.Response, err error) {
	if err != nil {
		log.Fatal(err)
	}
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(response.StatusCode)
	fmt.Println(string(body))
}

func main() {
	show(http.Get("https://api.example.com/data"))
	show(http.Post("https://api.example.com/submit", "application/json",
		strings.NewReader(`{"name": "hark", "note": "grüße"}`)))
}
