// Package record reads and writes recordings of event streams: JSON lines, the
// saved bytes of a stream, plain text, and HAR files.
//
// A [Record] holds one event or comment, the time when it was read, and the
// bytes that an exact replay needs. [FromBlock] makes one of a block that a
// [stream.Decoder] read, and [Record.AppendText] returns the same bytes again:
//
//	for block, err := range stream.NewDecoder(resp.Body).Blocks() {
//		if err != nil {
//			return err
//		}
//		r := record.FromBlock(block, time.Now())
//		if err := lines.Write(&r); err != nil { // lines is a Writer
//			return err
//		}
//	}
//
// [Read] reads a recording in any of the formats, which it detects:
//
//	records, _, err := record.Read(file, record.FormatAuto, 0)
//	if err != nil {
//		return err
//	}
//	for r, err := range records {
//		...
//	}
//
// [Reader] and [Writer] read and write JSON lines alone; [HARWriter] writes a
// HAR file.
//
// The package handles bytes only: it opens no files and no connections.
package record
