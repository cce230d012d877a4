// Package proxies tells where a visitor comes from when reverse proxies stand before a site.
package proxies

import (
	"fmt"
	"net/http"
	"net/netip"
	"slices"
	"strings"
)

// Trusted are the proxies whose X-Forwarded-For is believed. Without them, or behind another, limits are
// counted on the address that connects.
type Trusted []netip.Prefix

// Parse reads addresses and networks.
func Parse(texts []string) (list Trusted, err error) {
	for _, text := range texts {
		p, err := netip.ParsePrefix(text)
		if err != nil {
			a, bad := netip.ParseAddr(text)
			if bad != nil {
				return nil, fmt.Errorf("%q is neither an address nor a network, such as 192.0.2.7 or 192.0.2.0/24", text)
			}
			p = netip.PrefixFrom(a, a.BitLen())
		}
		list = append(list, p)
	}
	return list, nil
}

// Address is whose limits count: the IPv4 address, or the /64 of an IPv6 one. Each proxy adds whom it saw at the
// end, so that the list is read from there, and no further than proxies of ours have written.
func (t Trusted) Address(r *http.Request) netip.Prefix {
	at, err := netip.ParseAddrPort(r.RemoteAddr)
	if err != nil {
		return netip.Prefix{}
	}
	client := at.Addr().Unmap()
	hops := strings.Split(strings.Join(r.Header.Values("X-Forwarded-For"), ","), ",")
	for i := len(hops) - 1; i >= 0 && t.has(client); i-- {
		hop, err := netip.ParseAddr(strings.TrimSpace(hops[i]))
		if err != nil {
			break
		}
		client = hop.Unmap()
	}
	bits := 32
	if client.Is6() {
		bits = 64
	}
	p, _ := client.WithZone("").Prefix(bits)
	return p
}

func (t Trusted) has(a netip.Addr) bool {
	return slices.ContainsFunc(t, func(p netip.Prefix) bool { return p.Contains(a) })
}
