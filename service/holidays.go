package service

import (
	"slices"
	"time"
)

// Holiday is a public holiday on its date.
type Holiday struct {
	Name string
	// Month and Day in the service's own calendar.
	Month time.Month
	Day   int
}

// HolidaySets lists the sets that a definition can name.
func HolidaySets() []HolidaySet {
	return []HolidaySet{
		"metropole", "alsace-moselle", "guadeloupe", "martinique", "guyane", "reunion", "mayotte", "saint-barthelemy",
		"saint-martin", "saint-pierre-et-miquelon", "nouvelle-caledonie", "polynesie", "wallis-et-futuna", "none",
	}
}

// In lists the public holidays of a year, in order.
//
// The eleven of article L3133-1 of the labour code hold everywhere. To them come: the two
// of Alsace-Moselle (L3134-13); the days of the abolition of slavery (decree 83-1003 and
// law 2017-256 for Saint-Martin's 28 May); 21 July, Victor Schœlcher, in Guadeloupe and Martinique, as in the
// State's published calendar (etalab/jours-feries-france); the days of the Pacific territories' own
// labour codes, with Matari'i i Ni'a on 20 November in place of 29 June in Polynesia
// from 2025. Days kept by custom, such as Good Friday and Mi-Carême in the
// Antilles, are not here: a service that closes on them writes a closure.
func (set HolidaySet) In(year int) []Holiday {
	if set == "none" {
		return nil
	}
	easter := Easter(year)
	after := func(days int, name string) Holiday {
		d := easter.AddDate(0, 0, days)
		return Holiday{name, d.Month(), d.Day()}
	}
	list := []Holiday{
		{"Jour de l'an", time.January, 1},
		after(1, "Lundi de Pâques"),
		{"Fête du travail", time.May, 1},
		{"Victoire de 1945", time.May, 8},
		after(39, "Ascension"), after(50, "Lundi de Pentecôte"),
		{"Fête nationale", time.July, 14},
		{"Assomption", time.August, 15},
		{"Toussaint", time.November, 1},
		{"Armistice de 1918", time.November, 11},
		{"Noël", time.December, 25},
	}
	const abolition = "Abolition de l'esclavage"
	switch set {
	case "alsace-moselle":
		list = append(list, after(-2, "Vendredi saint"), Holiday{"Saint-Étienne", time.December, 26})
	case "guadeloupe":
		list = append(list, Holiday{abolition, time.May, 27}, Holiday{"Victor Schœlcher", time.July, 21})
	case "martinique":
		list = append(list, Holiday{abolition, time.May, 22}, Holiday{"Victor Schœlcher", time.July, 21})
	case "guyane":
		list = append(list, Holiday{abolition, time.June, 10})
	case "reunion":
		list = append(list, Holiday{abolition, time.December, 20})
	case "mayotte":
		list = append(list, Holiday{abolition, time.April, 27})
	case "saint-barthelemy":
		list = append(list, Holiday{abolition, time.October, 9})
	case "saint-martin":
		list = append(list, Holiday{abolition, time.May, 28})
	case "nouvelle-caledonie":
		list = append(list, Holiday{"Fête de la citoyenneté", time.September, 24})
	case "wallis-et-futuna":
		list = append(list, Holiday{"Saint Pierre Chanel", time.April, 28}, Holiday{"Fête du territoire", time.July, 29})
	case "polynesie":
		list = append(list, Holiday{"Arrivée de l'Évangile", time.March, 5}, after(-2, "Vendredi saint"))
		if year >= 2025 {
			list = append(list, Holiday{"Matari'i i Ni'a", time.November, 20})
		} else {
			list = append(list, Holiday{"Fête de l'autonomie", time.June, 29})
		}
	}
	slices.SortFunc(list, func(a, b Holiday) int {
		return (int(a.Month)*32 + a.Day) - (int(b.Month)*32 + b.Day)
	})
	return list
}

// On tells whether a date is a public holiday. Two holidays on one day give the name of
// both (Ascension on 1 or 8 May).
func (set HolidaySet) On(year int, month time.Month, day int) (name string, ok bool) {
	for _, h := range set.In(year) {
		if h.Month == month && h.Day == day {
			if ok {
				name += ", "
			}
			name, ok = name+h.Name, true
		}
	}
	return name, ok
}

// Easter is Easter Sunday of a Gregorian year (Meeus, Jones and Butcher).
func Easter(year int) time.Time {
	a, b, c := year%19, year/100, year%100
	d, e := b/4, b%4
	g := (8*b + 13) / 25
	h := (19*a + b - d - g + 15) % 30
	i, k := c/4, c%4
	l := (32 + 2*e + 2*i - h - k) % 7
	m := (a + 11*h + 22*l) / 451
	n := h + l - 7*m + 114
	return time.Date(year, time.Month(n/31), n%31+1, 0, 0, 0, 0, time.UTC)
}
