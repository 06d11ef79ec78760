package record

import (
	"fmt"
	"time"
)

// appendTime appends t in UTC as RFC 3339 with six digits of a second. It is
// time.AppendFormat for one layout, at a fraction of the price.
func appendTime(dst []byte, t time.Time) []byte {
	const minYear0, maxYear9999 = -62167219200, 253402300799 // in Unix seconds
	seconds := t.Unix()
	if seconds < minYear0 || seconds > maxYear9999 {
		return t.UTC().AppendFormat(dst, "2006-01-02T15:04:05.000000Z")
	}
	since0 := uint64(seconds - minYear0)
	year, month, day := civil(uint32(since0 / 86400))
	clock := uint32(since0 % 86400)
	micro := uint32(t.Nanosecond()) / 1000

	text := [27]byte{4: '-', 7: '-', 10: 'T', 13: ':', 16: ':', 19: '.', 26: 'Z'}
	put2(text[0:], year/100)
	put2(text[2:], year%100)
	put2(text[5:], month)
	put2(text[8:], day)
	put2(text[11:], clock/3600)
	put2(text[14:], clock/60%60)
	put2(text[17:], clock%60)
	put2(text[20:], micro/10000)
	put2(text[22:], micro/100%100)
	put2(text[24:], micro%100)
	return append(dst, text[:]...)
}

// put2 writes n, less than 100, as two digits.
func put2(text []byte, n uint32) { text[0], text[1] = byte('0'+n/10), byte('0'+n%10) }

// civil returns the Gregorian date of a day counted from 0000-01-01. Years are
// counted from March in between, so that the leap day is the last of a year.
func civil(days uint32) (year, month, day uint32) {
	days += 146097 - 60 // from March, one cycle of 400 years earlier
	era := days / 146097
	dayOfEra := days % 146097
	yearOfEra := (dayOfEra - dayOfEra/1460 + dayOfEra/36524 - dayOfEra/146096) / 365
	dayOfYear := dayOfEra - (365*yearOfEra + yearOfEra/4 - yearOfEra/100)
	shifted := (5*dayOfYear + 2) / 153 // months since March
	day = dayOfYear - (153*shifted+2)/5 + 1
	month = shifted + 3
	year = yearOfEra + (era-1)*400
	if month > 12 {
		return year + 1, month - 12, day
	}
	return year, month, day
}

// timeOf reads the value of the key "time".
func timeOf(value []byte) (time.Time, error) {
	s, err := stringOf(value)
	if err != nil {
		return time.Time{}, err
	}
	t, err := time.Parse(time.RFC3339Nano, s)
	if year := t.UTC().Year(); err != nil || year < 0 || year > 9999 {
		return time.Time{}, fmt.Errorf("want an RFC 3339 time, got %q", s)
	}
	return t, nil
}
