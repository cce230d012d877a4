package report

import (
	"fmt"
	"html"
	"html/template"
	"math"
	"strings"

	"decroche/call"
	"decroche/metrics"
)

// A chart is drawn as SVG, in the page itself; its data are a table beside it.
type chart struct {
	ID, Title, Axis string
	Kind            kind
	Unit            metrics.Unit
	Labels          []string
	Short           []string // below the picture, where Labels are too long
	Series          []series
	// Top is the end of the scale, 0 is by the data; Goals are drawn across.
	Top   float64
	Goals []float64
	lang  call.Lang
}

type kind int

const (
	lined   kind = iota // a line for each series
	upright             // bars side by side
	lying               // bars from left to right, with their figures
)

type series struct {
	Name   string
	Points []point
}

type point struct {
	v     float64
	known bool
}

func (s *series) add(f metrics.Figure) { s.Points = append(s.Points, point{f.Value, f.Known}) }

const (
	width, height            = 720.0, 260.0
	left, right, top, bottom = 52.0, 12.0, 12.0, 40.0
	barHeight, nameWidth     = 26.0, 230.0
)

// drawing collects the elements of a picture.
type drawing struct{ strings.Builder }

func (d *drawing) f(format string, args ...any) { fmt.Fprintf(d, format, args...) }

func (d *drawing) text(x, y float64, class, words string) {
	d.f(`<text x="%.1f" y="%.1f" class="%s">%s</text>`, x, y, class, html.EscapeString(words))
}

// SVG is the picture. Series differ by shade and by dash, so that it reads in black and white.
func (c *chart) SVG() template.HTML {
	var d drawing
	h := height
	if c.Kind == lying {
		h = top + barHeight*float64(len(c.Labels)) + 8
	}
	d.f(`<svg viewBox="0 0 %.0f %.0f" role="img" aria-labelledby="%s-t" aria-describedby="%s-d">`, width, h, c.ID, c.ID)
	if c.Kind == lying {
		c.lie(&d, h)
	} else {
		c.grid(&d)
		if c.Kind == lined {
			c.lines(&d)
		} else {
			c.stand(&d)
		}
		c.under(&d)
	}
	d.f(`</svg>`)
	return template.HTML(d.String()) // all texts in it are escaped
}

// top of the scale: a round number at or above all.
func (c *chart) most() float64 {
	if c.Top > 0 {
		return c.Top
	}
	most := 4.0 // its quarters are whole
	for _, s := range c.Series {
		for _, p := range s.Points {
			most = max(most, p.v)
		}
	}
	unit := math.Pow(10, math.Floor(math.Log10(most)))
	for _, k := range []float64{1, 1.2, 1.6, 2, 4, 6, 8, 10} {
		if k*unit >= most {
			return k * unit
		}
	}
	return most
}

func (c *chart) y(v float64) float64 { return top + (height-top-bottom)*(1-v/c.most()) }

func (c *chart) x(i float64) float64 {
	return left + (width-left-right)*(i+0.5)/float64(len(c.Labels))
}

func (c *chart) grid(d *drawing) {
	for i := range 5 {
		v := c.most() * float64(i) / 4
		d.f(`<line x1="%.1f" x2="%.1f" y1="%.1f" y2="%.1f" class="grid"/>`, left, width-right, c.y(v), c.y(v))
		d.text(left-6, c.y(v)+4, "tick end", c.tick(v))
	}
	for _, g := range c.Goals {
		d.f(`<line x1="%.1f" x2="%.1f" y1="%.1f" y2="%.1f" class="goal"/>`, left, width-right, c.y(g), c.y(g))
	}
}

func (c *chart) tick(v float64) string {
	if c.Unit == metrics.Share {
		return number(c.lang, v*100, 0) + "%"
	}
	return number(c.lang, v, 0)
}

// under writes as many labels as there is room for.
func (c *chart) under(d *drawing) {
	labels := c.Labels
	if c.Short != nil {
		labels = c.Short
	}
	every := int(math.Ceil(float64(len(labels)) / 12))
	for i := 0; i < len(labels); i += every {
		d.text(c.x(float64(i)), height-bottom+18, "tick mid", labels[i])
	}
}

func (c *chart) lines(d *drawing) {
	for n, s := range c.Series {
		var path strings.Builder
		move := "M"
		for i, p := range s.Points {
			if !p.known {
				move = "M"
				continue
			}
			fmt.Fprintf(&path, "%s%.1f %.1f", move, c.x(float64(i)), c.y(p.v))
			move = "L"
		}
		d.f(`<path d="%s" class="line s%d"/>`, path.String(), n)
		for i, p := range s.Points {
			if p.known && len(s.Points) <= 70 {
				d.f(`<circle cx="%.1f" cy="%.1f" r="2.5" class="dot s%d"/>`, c.x(float64(i)), c.y(p.v), n)
			}
		}
	}
}

func (c *chart) stand(d *drawing) {
	slot := (width - left - right) / float64(len(c.Labels))
	w := slot * 0.8 / float64(len(c.Series))
	for n, s := range c.Series {
		for i, p := range s.Points {
			x := left + slot*float64(i) + slot*0.1 + w*float64(n)
			d.f(`<rect x="%.1f" y="%.1f" width="%.1f" height="%.1f" class="bar s%d"/>`, x, c.y(p.v), w, c.y(0)-c.y(p.v), n)
		}
	}
}

func (c *chart) lie(d *drawing, h float64) {
	room := width - nameWidth - 90
	for i, p := range c.Series[0].Points {
		y := top + barHeight*float64(i)
		d.text(nameWidth-8, y+barHeight*0.62, "tick end", shorten(c.Labels[i], 34))
		d.f(`<rect x="%.1f" y="%.1f" width="%.1f" height="%.1f" class="bar s0"/>`, nameWidth, y+3, max(1, room*p.v/c.most()), barHeight-8)
		d.text(nameWidth+room*p.v/c.most()+6, y+barHeight*0.62, "tick", written(c.lang, c.Unit, p.v))
	}
	for _, g := range c.Goals {
		x := nameWidth + room*g/c.most()
		d.f(`<line x1="%.1f" x2="%.1f" y1="%.1f" y2="%.1f" class="goal"/>`, x, x, top, h-8)
	}
}

func shorten(s string, n int) string {
	if r := []rune(s); len(r) > n {
		return string(r[:n-1]) + "…"
	}
	return s
}

// Table is the chart's data.
func (c *chart) Table() (t Table) {
	t.Head = []string{c.Axis}
	for _, s := range c.Series {
		t.Head = append(t.Head, s.Name)
	}
	for i, label := range c.Labels {
		row := []string{label}
		for _, s := range c.Series {
			if s.Points[i].known {
				row = append(row, written(c.lang, c.Unit, s.Points[i].v))
			} else {
				row = append(row, "—")
			}
		}
		t.Rows = append(t.Rows, row)
	}
	return t
}

// Legend says which shade is whose; "" for a single series.
func (c *chart) Legend() []series {
	if len(c.Series) < 2 {
		return nil
	}
	return c.Series
}
