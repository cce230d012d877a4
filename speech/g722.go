package speech

// The G.722 encoder at 64 kbit/s, after ITU-T Recommendation G.722 (names of the
// blocks are the recommendation's). Two samples at 16 kHz make one byte.

var (
	g722WL  = [8]int{-60, -30, 58, 172, 334, 538, 1198, 3042}
	g722RL4 = [16]int{0, 7, 6, 5, 4, 3, 2, 1, 7, 6, 5, 4, 3, 2, 1, 0}
	g722ILB = [32]int{
		2048, 2093, 2139, 2186, 2233, 2282, 2332, 2383, 2435, 2489, 2543, 2599, 2656, 2714, 2774, 2834,
		2896, 2960, 3025, 3091, 3158, 3228, 3298, 3371, 3444, 3520, 3597, 3676, 3756, 3838, 3922, 4008,
	}
	g722QM4 = [16]int{
		0, -20456, -12896, -8968, -6288, -4240, -2584, -1200,
		20456, 12896, 8968, 6288, 4240, 2584, 1200, 0,
	}
	g722QM2 = [4]int{-7408, -1616, 7408, 1616}
	g722WH  = [3]int{0, -214, 798}
	g722RH2 = [4]int{2, 1, 2, 1}
	g722Q6  = [30]int{
		0, 35, 72, 110, 150, 190, 233, 276, 323, 370, 422, 473, 530, 587, 650,
		714, 786, 858, 940, 1023, 1121, 1219, 1339, 1458, 1612, 1765, 1980, 2195, 2557, 2919,
	}
	g722QMF = [12]int{3, -11, 12, 32, -210, 951, 3876, -805, 362, -156, 53, -11}
)

// g722Band is the adaptive predictor and quantiser of one half of the band.
type g722Band struct {
	s, sp, sz int
	r, p, a   [3]int
	d, b      [7]int
	nb, det   int
}

type g722Encoder struct {
	x    [24]int
	low  g722Band
	high g722Band
}

func newG722Encoder() *g722Encoder {
	e := &g722Encoder{}
	e.low.det, e.high.det = 32, 8
	return e
}

func encodeG722(samples []int16) []byte {
	e := newG722Encoder()
	out := make([]byte, 0, len(samples)/2)
	for i := 0; i+1 < len(samples); i += 2 {
		out = append(out, e.encode(samples[i], samples[i+1]))
	}
	return out
}

func (e *g722Encoder) encode(first, second int16) byte {
	copy(e.x[:], e.x[2:])
	e.x[22], e.x[23] = int(first), int(second)
	odd, even := 0, 0
	for i := range 12 {
		odd += e.x[2*i] * g722QMF[i]
		even += e.x[2*i+1] * g722QMF[11-i]
	}
	low := e.low.quantizeLow((even + odd) >> 14)
	high := e.high.quantizeHigh((even - odd) >> 14)
	return byte(high<<6 | low)
}

// quantizeLow is QUANTL, INVQAL, LOGSCL and SCALEL, then the predictor: 6 bits.
func (b *g722Band) quantizeLow(x int) int {
	el := sat16(x - b.s)
	wd := el
	if el < 0 {
		wd = -(el + 1)
	}
	i := 1
	for i < 30 && wd >= (g722Q6[i]*b.det)>>12 {
		i++
	}
	code := 62 - i // ilp: 61 for the least, down to 32
	if el < 0 {
		code = 34 - i // iln: 31 … 4, the two least apart
		if i <= 2 {
			code = 64 - i
		}
	}
	diff := (b.det * g722QM4[code>>2]) >> 15
	b.scaleLow(code >> 2)
	b.predict(diff)
	return code
}

func (b *g722Band) scaleLow(ril int) {
	b.nb = min(max((b.nb*127)>>7+g722WL[g722RL4[ril]], 0), 18432)
	b.det = g722Scale(b.nb, 8)
}

// quantizeHigh is QUANTH, INVQAH, LOGSCH and SCALEH, then the predictor: 2 bits.
func (b *g722Band) quantizeHigh(x int) int {
	eh := sat16(x - b.s)
	wd := eh
	if eh < 0 {
		wd = -(eh + 1)
	}
	far := wd >= (564*b.det)>>12
	var code int
	switch {
	case eh < 0 && far:
		code = 0
	case eh < 0:
		code = 1
	case far:
		code = 2
	default:
		code = 3
	}
	diff := (b.det * g722QM2[code]) >> 15
	b.scaleHigh(code)
	b.predict(diff)
	return code
}

func (b *g722Band) scaleHigh(ih int) {
	b.nb = min(max((b.nb*127)>>7+g722WH[g722RH2[ih]], 0), 22528)
	b.det = g722Scale(b.nb, 10)
}

func g722Scale(nb, base int) int {
	v := g722ILB[(nb>>6)&31]
	if shift := base - nb>>11; shift < 0 {
		v <<= -shift
	} else {
		v >>= shift
	}
	return v << 2
}

// predict is block 4: it takes the quantised difference and moves the predictor on.
func (b *g722Band) predict(d int) {
	b.d[0] = d
	b.r[0] = sat16(b.s + d)
	b.p[0] = sat16(b.sz + d)
	ap1, ap2 := b.poles()
	bp := b.zeros(d)

	copy(b.d[1:], b.d[:6])
	copy(b.r[1:], b.r[:2])
	copy(b.p[1:], b.p[:2])
	b.b = bp
	b.a[1], b.a[2] = ap1, ap2

	b.sp = sat16((b.a[1]*sat16(2*b.r[1]))>>15 + (b.a[2]*sat16(2*b.r[2]))>>15)
	b.sz = 0
	for i := 6; i > 0; i-- {
		b.sz += (b.b[i] * sat16(2*b.d[i])) >> 15
	}
	b.sz = sat16(b.sz)
	b.s = sat16(b.sp + b.sz)
}

// poles is UPPOL2 and UPPOL1.
func (b *g722Band) poles() (ap1, ap2 int) {
	same1 := b.p[0]>>15 == b.p[1]>>15
	same2 := b.p[0]>>15 == b.p[2]>>15
	wd2 := sat16(4 * b.a[1])
	if same1 {
		wd2 = min(-wd2, 32767)
	}
	ap2 = wd2>>7 + (b.a[2]*32512)>>15
	if same2 {
		ap2 += 128
	} else {
		ap2 -= 128
	}
	ap2 = min(max(ap2, -12288), 12288)

	wd1 := -192
	if same1 {
		wd1 = 192
	}
	ap1 = sat16(wd1 + (b.a[1]*32640)>>15)
	limit := sat16(15360 - ap2)
	return min(max(ap1, -limit), limit), ap2
}

// zeros is UPZERO.
func (b *g722Band) zeros(d int) (bp [7]int) {
	step := 128
	if d == 0 {
		step = 0
	}
	for i := 1; i < 7; i++ {
		wd := -step
		if b.d[i]>>15 == d>>15 {
			wd = step
		}
		bp[i] = sat16(wd + (b.b[i]*32640)>>15)
	}
	return bp
}

func sat16(v int) int { return min(max(v, -32768), 32767) }
