package serve

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"strings"
	"time"

	"github.com/ssectl/ssectl/pkg/stream"
)

var errNoStream = errors.New("har: no event stream in it")

// maxHAR bounds a HAR file, which has to be read whole.
const maxHAR = 1 << 30

// A harFile is the part of a HAR file that has event streams. Chromium lists
// the events of an EventSource by the time they came; other browsers, and
// other requests, have the text of the response.
type harFile struct {
	Log struct {
		Entries []struct {
			Messages []harMessage `json:"_eventSourceMessages"`
			Response struct {
				Content struct {
					MIMEType string `json:"mimeType"`
					Text     string `json:"text"`
					Encoding string `json:"encoding"`
				} `json:"content"`
			} `json:"response"`
		} `json:"entries"`
	} `json:"log"`
}

type harMessage struct {
	Time float64 `json:"time"` // seconds
	Type string  `json:"eventName"`
	ID   string  `json:"eventId"`
	Data string  `json:"data"`
}

// harSource reads a HAR file: all event streams that it has, one after the
// other.
func harSource(r io.Reader) (Source, error) {
	var file harFile
	decoder := json.NewDecoder(io.LimitReader(r, maxHAR))
	if err := decoder.Decode(&file); err != nil {
		return nil, fmt.Errorf("har: %w", err)
	}
	if _, err := decoder.Token(); err != io.EOF {
		return nil, fmt.Errorf("har: something follows the archive at byte %d", decoder.InputOffset())
	}
	var sources []Source
	for _, e := range file.Log.Entries {
		content := &e.Response.Content
		switch {
		case len(e.Messages) > 0:
			sources = append(sources, harMessages(e.Messages))
		case !stream.IsEventStream(content.MIMEType) || content.Text == "":
		case content.Encoding == "base64":
			text, err := base64.StdEncoding.DecodeString(content.Text)
			if err != nil {
				return nil, fmt.Errorf("har: %w", err)
			}
			sources = append(sources, sseSource(bytes.NewReader(text), maxHAR))
		default:
			sources = append(sources, sseSource(strings.NewReader(content.Text), maxHAR))
		}
	}
	if len(sources) == 0 {
		return nil, errNoStream
	}
	return func() (stream.Record, error) {
		for {
			record, err := sources[0]()
			if err != io.EOF || len(sources) == 1 {
				return record, err
			}
			sources = sources[1:]
		}
	}, nil
}

func harMessages(messages []harMessage) Source {
	lastID := ""
	return func() (stream.Record, error) {
		if len(messages) == 0 {
			return stream.Record{}, io.EOF
		}
		m := messages[0]
		messages = messages[1:]
		seconds, fraction := math.Modf(m.Time)
		r := stream.Record{
			IsEvent: true,
			Event:   stream.Event{Type: m.Type, Data: m.Data},
			Time:    time.Unix(int64(seconds), int64(fraction*1e9)),
		}
		if m.ID != lastID {
			// The browser notes the last event ID in force; the stream
			// had it where it changed.
			r.ID, r.HasID = m.ID, true
			lastID = m.ID
		}
		return r, nil
	}
}
