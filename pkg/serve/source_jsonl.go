package serve

import (
	"errors"
	"fmt"
	"io"

	"github.com/ssectl/ssectl/pkg/stream"
)

var errNoKey = errors.New("no key that makes an event (event, data, id, retry, comment); as text, each line would be the data of one")

// jsonlSource reads JSON lines.
func jsonlSource(r io.Reader, maxEventSize int) Source {
	reader := stream.NewRecordReader(r)
	reader.MaxLineSize = stream.MaxLineSize(maxEventSize)
	return func() (stream.Record, error) {
		record, err := reader.Read()
		var bad *stream.RecordError
		switch {
		case errors.As(err, &bad):
			return record, &LineError{Line: bad.Line, Err: withColumn(bad)}
		case err != nil:
			return record, err
		case record.Meta == nil && record.Raw == nil && !record.IsEvent && !record.HasID && !record.HasRetry && !record.HasComment:
			return record, &LineError{Line: reader.Line(), Err: errNoKey}
		}
		return record, nil
	}
}

// withColumn returns the cause of a bad line with its column, if it has one.
func withColumn(bad *stream.RecordError) error {
	if bad.Column == 0 {
		return bad.Err
	}
	return fmt.Errorf("column %d: %w", bad.Column, bad.Err)
}
