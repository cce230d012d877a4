package ivr

import (
	"context"
	"errors"
	"strings"
	"time"

	"decroche/call"
)

// betweenDigits is how long a caller may look for the next digit of a number.
const betweenDigits = 5 * time.Second

// another asks for a number, reads it back and has it confirmed: three tries, then the
// caller hears why not and waits on. why is said first. What is typed is never logged.
func (j *Journey) another(ctx context.Context, c call.Call, v *Visit, why string) (string, error) {
	a := v.Asking
	for range tries {
		digits, err := j.typed(ctx, c, j.prompts(ctx, v, why, "callback.number.type")...)
		if errors.Is(err, call.ErrNoInput) {
			why = "menu.noinput"
			continue
		}
		if err != nil {
			return "", err
		}
		number, err := call.ParseNumber(digits)
		if err != nil || number == call.Withheld {
			c.Flush()
			why = refusal("invalid")
			continue
		}
		opts, refused, err := j.options(ctx, v.request(c.Info(), a, number))
		switch {
		case err != nil:
			return j.failedToPromise(ctx, c, v, err)
		case aboutNumber(refused):
			c.Flush() // a key too many is no beginning of the next number
			why = refusal(refused)
			continue
		case refused != "":
			return j.back(ctx, c, v, refusal(refused))
		}
		question := j.prompts(ctx, v, append(append([]string{"callback.number.typed"}, NumberPrompts(number)...), a.prompt("callback.number.confirm"))...)
		switch key, err := j.choose(ctx, c, v, "123", question...); {
		case err != nil:
			return "", err
		case key == '2':
			why = ""
		case key != '1':
			return j.back(ctx, c, v)
		case opts.Live != nil:
			a.Number = number
			return j.already(ctx, c, v, *opts.Live, opts.Zone)
		default:
			a.Number = number
			return StepWhen, nil
		}
	}
	return j.back(ctx, c, v, why)
}

// typed reads a number key by key. Ten digits end it, unless it begins with 00; so does #,
// and a long pause. * begins anew. It returns call.ErrNoInput when nothing was typed.
func (j *Journey) typed(ctx context.Context, c call.Call, question ...call.Sound) (string, error) {
	var digits strings.Builder
	patience := pause + pause
	for {
		key, err := c.Read(ctx, patience, question...)
		switch {
		case errors.Is(err, call.ErrNoInput) && digits.Len() > 0:
			return digits.String(), nil
		case err != nil:
			return "", err
		case key == '#' && digits.Len() > 0:
			return digits.String(), nil
		case key == '*':
			digits.Reset()
		case key != '#':
			digits.WriteByte(byte(key))
		}
		if whole(digits.String()) {
			return digits.String(), nil
		}
		patience, question = betweenDigits, nil
	}
}

// longest is 00 and the most digits a number has (ITU-T E.164).
const longest = 2 + 15

// whole says that nothing can follow these digits.
func whole(digits string) bool {
	return len(digits) == 10 && !strings.HasPrefix(digits, "00") || len(digits) == longest
}
