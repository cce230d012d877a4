package admin

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"io"
	"path"
	"path/filepath"
	"slices"
	"strings"

	"decroche/call"
)

// soundField is where a text is given a recording: a file is sent, or it is spoken into a telephone.
type soundField struct {
	*visit
	Lang call.Lang
	Name string // of the language
	// Kept is the recording that there is, "" for none; Path is where it is, if that tells people something.
	Kept, Path string
	Hint       string
	// Recorder is the number to record by telephone, "": there is none. Code is what is typed there, "" while none
	// was asked for.
	Recorder, Code string
}

// soundField is that of a language, with a hint of the catalogue.
func (v *visit) soundField(l call.Lang, kept, hint string) soundField {
	f := soundField{visit: v, Lang: l, Name: v.T("lang." + string(l)), Kept: kept, Hint: v.T(hint), Code: v.phoneCode(l)}
	if v.s.Recorder != call.Withheld {
		f.Recorder = v.s.Recorder.Spoken()
	}
	return f
}

// Wrong is what is wrong with what was sent.
func (f soundField) Wrong() string { return f.ErrorOf("sound_" + string(f.Lang)) }

// Open tells whether there is something to see in it.
func (f soundField) Open() bool { return f.Kept != "" || f.Code != "" || f.Wrong() != "" }

// asksToRecord tells whether the form was sent for a code to record by telephone, and for nothing else.
func (v *visit) asksToRecord() bool { return strings.HasPrefix(v.r.PostFormValue("step"), "phone_") }

// unfinished forgets what is wrong with a form that is not to be kept yet. A recording that could not be taken is
// told all the same: nobody would know that it is not there.
func (v *visit) unfinished() {
	v.Errors = slices.DeleteFunc(v.Errors, func(e fieldError) bool { return !strings.HasPrefix(e.Field, "sound_") })
}

// phoneCode is the code by which the text of a language is recorded by telephone: one that was given
// before, or a new one if that is what was asked for; "" for none. One that was used has served: typedSound
// took what was recorded, and a file that is sent later is not overruled by it. One that serves no more is not shown:
// typedSound told so.
func (v *visit) phoneCode(l call.Lang) string {
	code := v.r.PostFormValue("phone_" + string(l))
	if v.r.PostFormValue("step") != "phone_"+string(l) || v.s.Recorder == call.Withheld {
		if code == "" {
			return ""
		}
		sound, known := v.s.Studio.Recorded(code, v.Me.Name, v.now)
		if !known || sound != "" && v.ErrorOf("sound_"+string(l)) == "" {
			return ""
		}
		return code
	}
	code, err := v.s.Studio.Open(v.Me.Name, v.now)
	if err != nil {
		v.s.Log.Error("no code to record a message could be given", "err", err)
	}
	return code
}

// recorded tells the page whether the code was used, or serves no more.
func (v *visit) recorded() {
	v.w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	answer := "no"
	switch sound, known := v.s.Studio.Recorded(v.r.URL.Query().Get("code"), v.Me.Name, v.now); {
	case !known:
		answer = "unknown"
	case sound != "":
		answer = "yes"
	}
	_, _ = io.WriteString(v.w, answer)
}

// keeper is where the recordings of a form are kept.
type keeper interface {
	// file keeps one that was sent, by the ending of its file, spoken one that the telephone took; both give what
	// it is called from now on.
	file(ctx context.Context, ext string, data []byte) (string, error)
	spoken(ctx context.Context, name string) (string, error)
}

// inMessages keeps those of incident messages, where the telephone's are already.
type inMessages struct{ s *Server }

func (k inMessages) file(ctx context.Context, ext string, data []byte) (string, error) {
	return k.s.KeepSound(ctx, ext, data)
}

func (k inMessages) spoken(_ context.Context, name string) (string, error) { return name, nil }

// beside keeps those of the definition's texts, beside it.
type beside struct{ s *Server }

func (k beside) file(ctx context.Context, ext string, data []byte) (string, error) {
	return k.s.KeepRecording(ctx, ext, data)
}

func (k beside) spoken(ctx context.Context, name string) (string, error) {
	data, err := k.s.KeptSound(ctx, name)
	if err != nil {
		return "", err
	}
	return k.s.KeepRecording(ctx, path.Ext(name), data)
}

// typedSound is the recording of a language: one that is sent now, was made by telephone, or was there
// before; "" for none. What cannot be kept is added to the errors.
func (v *visit) typedSound(l call.Lang, k keeper) string {
	field, ctx := "sound_"+string(l), v.r.Context()
	if v.r.PostFormValue("drop_"+string(l)) != "" {
		return ""
	}
	before, name := v.r.PostFormValue("kept_"+string(l)), ""
	var err error
	if ext, data, sent := v.sentSound(field); sent {
		name, err = k.file(ctx, ext, data)
	} else if code := v.r.PostFormValue("phone_" + string(l)); code != "" {
		switch spoken, known := v.s.Studio.Recorded(code, v.Me.Name, v.now); {
		case spoken != "":
			name, err = k.spoken(ctx, spoken)
		case !known && v.r.PostFormValue("step") != "phone_"+string(l): // who asks for another code knows
			v.wrong(field, "write.error.phone")
		}
	}
	if err == nil {
		return cmp.Or(name, before)
	}
	if !errors.Is(err, ErrSound) {
		v.s.Log.Error("a recording could not be kept", "err", err)
	}
	v.wrong(field, "write.error.sound")
	return before
}

// sentSound reads a file of a form; what cannot be a sound is added to the errors.
func (v *visit) sentSound(field string) (ext string, data []byte, sent bool) {
	if v.r.MultipartForm == nil || len(v.r.MultipartForm.File[field]) == 0 {
		return "", nil, false
	}
	h := v.r.MultipartForm.File[field][0]
	if h.Size == 0 && h.Filename == "" {
		return "", nil, false
	}
	ext = strings.ToLower(filepath.Ext(h.Filename))
	if !slices.Contains([]string{".wav", ".mp3", ".ogg"}, ext) || h.Size > maxSound {
		v.wrong(field, "write.error.sound")
		return "", nil, false
	}
	f, err := h.Open()
	if err == nil {
		defer f.Close()
		var b bytes.Buffer
		if _, err = io.Copy(&b, f); err == nil {
			return ext, b.Bytes(), true
		}
	}
	v.s.Log.Error("a recording could not be read", "err", err)
	v.wrong(field, "write.error.sound")
	return "", nil, false
}
