package past

import (
	"bufio"
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"
	"unicode/utf8"

	"golang.org/x/text/encoding"
	"golang.org/x/text/encoding/charmap"
	"golang.org/x/text/encoding/unicode"
	"golang.org/x/text/transform"
)

// longestLine bounds what one line may hold in memory; a longer one is refused.
const longestLine = 64 << 10

var errLongLine = fmt.Errorf("the line is longer than %d bytes", longestLine)

// lines gives a file's lines with their numbers; empty ones are passed over. A file may begin
// with a byte order mark, of UTF-8 or of UTF-16 as Excel writes it. A line that is no UTF-8
// is Windows-1252, of which Latin-1's letters are a part.
type lines struct {
	r      *bufio.Reader
	n      int
	peeked string
	has    bool
}

func newLines(r io.Reader) *lines {
	marked := transform.NewReader(r, unicode.BOMOverride(encoding.Nop.NewDecoder()))
	return &lines{r: bufio.NewReaderSize(marked, longestLine)}
}

func (l *lines) peek() (string, error) {
	line, err := l.next()
	if errors.Is(err, io.EOF) {
		return "", errors.New("the file is empty")
	}
	l.peeked, l.has = line, err == nil
	return line, err
}

// next gives the next line, io.EOF after the last, errLongLine for one that is skipped.
func (l *lines) next() (string, error) {
	if l.has {
		l.has = false
		return l.peeked, nil
	}
	for {
		data, err := l.r.ReadSlice('\n')
		long := errors.Is(err, bufio.ErrBufferFull)
		for errors.Is(err, bufio.ErrBufferFull) {
			_, err = l.r.ReadSlice('\n')
		}
		if err != nil && !errors.Is(err, io.EOF) {
			return "", fmt.Errorf("line %d: %w", l.n+1, err)
		}
		if len(data) == 0 {
			return "", io.EOF
		}
		if l.n++; long {
			return "", errLongLine
		}
		if line := strings.TrimRight(string(data), "\r\n"); strings.TrimSpace(line) != "" {
			return readable(line), nil
		}
	}
}

func readable(line string) string {
	if utf8.ValidString(line) {
		return line
	}
	out, err := charmap.Windows1252.NewDecoder().String(line)
	if err != nil {
		return strings.ToValidUTF8(line, "\uFFFD")
	}
	return out
}

// each calls fn for the lines that are left. Lines too long are refused by h.
func (l *lines) each(h *History, input int, fn func(line string)) error {
	for {
		switch line, err := l.next(); {
		case errors.Is(err, io.EOF):
			return nil
		case errors.Is(err, errLongLine):
			h.refuse(input, l.n, err.Error(), "shorten it")
		case err != nil:
			return err
		default:
			fn(line)
		}
	}
}

func detect(first string) Format {
	if fields := strings.Split(first, "|"); len(fields) >= 5 {
		if _, err := strconv.ParseFloat(strings.TrimSpace(fields[0]), 64); err == nil {
			return QueueLog
		}
	}
	t := tableOf(first)
	switch {
	case t.misses("outcome") == "" && (t.has("arrived_at") || t.has("ivr_entered_at") || t.has("queued_at")):
		return CSV
	case billsHeader(t) || looksLikeBill(t.names):
		return CDR
	}
	return Auto
}

// table is where the columns of a CSV stand.
type table struct {
	comma rune
	names []string
	at    map[string]int
}

// tableOf reads a header; the separator is the one it has most of.
func tableOf(header string) table {
	t := table{comma: ',', at: map[string]int{}}
	for _, c := range ";\t" {
		if strings.Count(header, string(c)) > strings.Count(header, string(t.comma)) {
			t.comma = c
		}
	}
	fields, err := t.split(header)
	if err != nil {
		return t
	}
	t.names = fields
	for i, name := range fields {
		t.at[strings.ToLower(strings.TrimSpace(name))] = i
	}
	return t
}

func (t table) has(name string) bool { _, ok := t.at[name]; return ok }

// misses lists those of the names that are no column.
func (t table) misses(names ...string) string {
	var out []string
	for _, name := range names {
		if !t.has(name) {
			out = append(out, name)
		}
	}
	return strings.Join(out, ", ")
}

func (t table) split(line string) ([]string, error) {
	if !strings.ContainsRune(line, '"') {
		return strings.Split(line, string(t.comma)), nil
	}
	r := csv.NewReader(strings.NewReader(line))
	r.Comma, r.FieldsPerRecord = t.comma, -1
	fields, err := r.Read()
	var parse *csv.ParseError
	if errors.As(err, &parse) {
		return nil, parse.Err
	}
	return fields, err
}

// row is the fields of a line by the names of their columns.
type row struct {
	*table
	fields []string
}

func (r row) get(name string) string {
	if i, ok := r.at[name]; ok && i < len(r.fields) {
		return strings.TrimSpace(r.fields[i])
	}
	return ""
}
