package softphone

// G.711 as ITU-T gives it: one byte a sample, 16 bits decoded.

var (
	alawToPCM, ulawToPCM [256]int16
	pcmToAlaw, pcmToUlaw [1 << 14]byte // indexed by the sample's upper 14 bits
)

func init() {
	for i := range 256 {
		alawToPCM[i] = decodeAlaw(byte(i))
		ulawToPCM[i] = decodeUlaw(byte(i))
	}
	for i := range pcmToAlaw {
		s := int16(uint16(i) << 2)
		pcmToAlaw[i] = encodeAlaw(s)
		pcmToUlaw[i] = encodeUlaw(s)
	}
}

func decodeAlaw(b byte) int16 {
	b ^= 0x55
	v := int(b&0x0f) << 4
	switch seg := int(b&0x70) >> 4; seg {
	case 0:
		v += 8
	case 1:
		v += 0x108
	default:
		v = (v + 0x108) << (seg - 1)
	}
	if b&0x80 == 0 {
		v = -v
	}
	return int16(v)
}

func encodeAlaw(s int16) byte {
	v, mask := int(s)>>3, byte(0xd5)
	if v < 0 {
		v, mask = -v-1, 0x55
	}
	seg, limit := 0, 0x1f
	for seg < 8 && v > limit {
		limit = limit<<1 | 1
		seg++
	}
	if seg >= 8 {
		return 0x7f ^ mask
	}
	out := byte(seg << 4)
	if seg < 2 {
		out |= byte(v>>1) & 0x0f
	} else {
		out |= byte(v>>seg) & 0x0f
	}
	return out ^ mask
}

func decodeUlaw(b byte) int16 {
	b = ^b
	v := (int(b&0x0f)<<3 + 0x84) << (int(b&0x70) >> 4)
	if b&0x80 != 0 {
		return int16(0x84 - v)
	}
	return int16(v - 0x84)
}

func encodeUlaw(s int16) byte {
	v, mask := int(s)>>2, byte(0xff)
	if v < 0 {
		v, mask = -v, 0x7f
	}
	v = min(v, 8159) + 0x84>>2
	seg, limit := 0, 0x3f
	for seg < 8 && v > limit {
		limit = limit<<1 | 1
		seg++
	}
	if seg >= 8 {
		return 0x7f ^ mask
	}
	return (byte(seg<<4) | byte(v>>(seg+1))&0x0f) ^ mask
}

// codec is one of the two G.711 laws.
type codec struct {
	name    string
	payload uint8 // the static RTP payload type
	silence byte
	decode  *[256]int16
	encode  *[1 << 14]byte
}

var (
	pcma   = &codec{name: "PCMA", payload: 8, silence: 0xd5, decode: &alawToPCM, encode: &pcmToAlaw}
	pcmu   = &codec{name: "PCMU", payload: 0, silence: 0xff, decode: &ulawToPCM, encode: &pcmToUlaw}
	codecs = map[string]*codec{"PCMA": pcma, "PCMU": pcmu}
)

func codecOfPayload(pt uint8) *codec {
	switch pt {
	case pcma.payload:
		return pcma
	case pcmu.payload:
		return pcmu
	}
	return nil
}

func (c *codec) encodeTo(dst []byte, pcm []int16) {
	for i, s := range pcm {
		dst[i] = c.encode[uint16(s)>>2]
	}
}

func (c *codec) decodeAll(wire []byte) []int16 {
	pcm := make([]int16, len(wire))
	for i, b := range wire {
		pcm[i] = c.decode[b]
	}
	return pcm
}

// EncodeAlaw codes PCM (8 kHz, mono) as A-law, the form of sound files and of calls.
func EncodeAlaw(pcm []int16) []byte {
	out := make([]byte, len(pcm))
	pcma.encodeTo(out, pcm)
	return out
}

// DecodeAlaw is the inverse of EncodeAlaw.
func DecodeAlaw(wire []byte) []int16 { return pcma.decodeAll(wire) }
