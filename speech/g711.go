package speech

// alaw codes a 16-bit linear sample by G.711 A-law.
func alaw(sample int16) byte {
	const quantMask = 0x55
	v := int(sample) >> 3 // 13 bits, as the recommendation has them
	mask := byte(0x80 | quantMask)
	if v < 0 {
		mask = quantMask
		v = -v - 1
	}
	seg := 0
	for seg < 7 && v >= 32<<seg {
		seg++
	}
	code := byte(seg << 4)
	if seg < 2 {
		code |= byte(v>>1) & 0x0f
	} else {
		code |= byte(v>>seg) & 0x0f
	}
	return code ^ mask
}

// ulaw codes a 16-bit linear sample by G.711 µ-law.
func ulaw(sample int16) byte {
	const bias, clip = 33, 8158
	v := int(sample) >> 2 // 14 bits
	mask := byte(0xff)
	if v < 0 {
		mask = 0x7f
		v = -v
	}
	v = min(v, clip) + bias
	seg := 0
	for seg < 7 && v >= 64<<seg {
		seg++
	}
	return (byte(seg<<4) | byte(v>>(seg+1))&0x0f) ^ mask
}

func encodeAlaw(samples []int16) []byte {
	out := make([]byte, len(samples))
	for i, s := range samples {
		out[i] = alaw(s)
	}
	return out
}

func encodeUlaw(samples []int16) []byte {
	out := make([]byte, len(samples))
	for i, s := range samples {
		out[i] = ulaw(s)
	}
	return out
}
