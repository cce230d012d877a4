package service

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
)

// Problem is one thing to mend in a definition: where, what, and what to write.
type Problem struct {
	File         string
	Line, Column int // from 1; 0 when the whole file is meant
	// Path is the part that it stands in, as Position names it: "plans.afflux.when.for"; "" when it is not known.
	Path      string
	What, Fix Sentence
}

func (p Problem) Error() string {
	var b strings.Builder
	b.WriteString(p.File)
	if p.Line > 0 {
		fmt.Fprintf(&b, ":%d:%d", p.Line, p.Column)
	}
	b.WriteString(": " + p.What.EN)
	if p.Fix.EN != "" {
		b.WriteString("; " + p.Fix.EN)
	}
	return b.String()
}

// Problems is all there is to mend, in the order of the file. It is the error of Parse.
type Problems []Problem

func (ps Problems) Error() string {
	lines := make([]string, len(ps))
	for i, p := range ps {
		lines[i] = p.Error()
	}
	return strings.Join(lines, "\n")
}

// Unwrap lets errors.As find a single Problem.
func (ps Problems) Unwrap() []error {
	errs := make([]error, len(ps))
	for i, p := range ps {
		errs[i] = p
	}
	return errs
}

func (ps Problems) sorted() Problems {
	slices.SortStableFunc(ps, func(a, b Problem) int {
		return cmp.Or(cmp.Compare(a.Line, b.Line), cmp.Compare(a.Column, b.Column), cmp.Compare(a.What.EN, b.What.EN))
	})
	return slices.Compact(ps)
}

// Suggest says what to write in place of a word that is not known: see suggest.
func Suggest(word string, known []string) Sentence { return suggest(word, known).written() }

// suggest says what to write in place of a word that is not known: the nearest known
// word when one is near, else all of them.
func suggest(word string, known []string) words {
	if len(known) == 0 {
		return words{}
	}
	best, distance := "", len(word)
	for _, k := range known {
		if n := editDistance(strings.ToLower(word), k); n < distance {
			best, distance = k, n
		}
	}
	if best != "" && near(word, distance) {
		return say("suggest.one", "word", best)
	}
	list := slices.Clone(known)
	slices.Sort(list)
	if len(list) > 12 {
		return say("suggest.some", "n", len(list), "list", strings.Join(list[:12], ", "))
	}
	return say("suggest.list", "list", strings.Join(list, ", "))
}

// near says whether so many edits are a slip of the pen and not another word.
func near(word string, distance int) bool { return distance <= max(1, (len(word)+1)/3) }

// editDistance counts insertions, deletions, replacements and swaps of neighbours.
func editDistance(a, b string) int {
	ra, rb := []rune(a), []rune(b)
	if len(ra) > 64 || len(rb) > 64 {
		return max(len(ra), len(rb))
	}
	rows := make([][]int, len(ra)+1)
	for i := range rows {
		rows[i] = make([]int, len(rb)+1)
		rows[i][0] = i
	}
	for j := range rows[0] {
		rows[0][j] = j
	}
	for i := 1; i <= len(ra); i++ {
		for j := 1; j <= len(rb); j++ {
			cost := 1
			if ra[i-1] == rb[j-1] {
				cost = 0
			}
			rows[i][j] = min(rows[i-1][j]+1, rows[i][j-1]+1, rows[i-1][j-1]+cost)
			if i > 1 && j > 1 && ra[i-1] == rb[j-2] && ra[i-2] == rb[j-1] {
				rows[i][j] = min(rows[i][j], rows[i-2][j-2]+1)
			}
		}
	}
	return rows[len(ra)][len(rb)]
}
