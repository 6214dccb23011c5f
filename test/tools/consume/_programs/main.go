package main

// main comes after what the other files do in their init functions.
func main() {}

func must(err error) {
	if err != nil {
		panic(err)
	}
}
