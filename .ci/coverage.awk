# Prints what share of each module's statements any test reaches, from the
# profile of "go test -coverpkg"; fails below 95 percent. Packages that only help
# tests, whose names end in test, do not count.
NR > 1 {
	size[$1] = $2
	if ($3 > 0)
		reached[$1]
}

END {
	for (block in size) {
		split(block, part, "/") # host, iofd, module, ...
		if (block ~ /test\/[^\/]*$/)
			continue
		module = part[3] == "internal" ? "internal/sys" : part[3]
		all[module] += size[block]
		if (block in reached)
			some[module] += size[block]
	}
	for (module in all) {
		share = 100 * some[module] / all[module]
		printf "%-12s %5.1f %%\n", module, share
		low = low || share < 95
	}
	exit low || NR < 2
}
