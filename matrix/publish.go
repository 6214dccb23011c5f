package main

func publishStored(root string, check bool) error { return nil }
func publish(root string, results []result) error { return nil }
