package report

// Shown counts how often each indicator stands in the sections.
func Shown() map[string]int {
	seen := map[string]int{}
	for _, s := range sections {
		for _, id := range s.indicators {
			seen[id]++
		}
	}
	return seen
}
