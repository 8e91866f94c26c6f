// SPDX-License-Identifier: Apache-2.0

package http2

import (
	"bytes"
	"encoding/hex"
	"fmt"
	"io"
	"strconv"
	"strings"

	"golang.org/x/net/http2"
	xhpack "golang.org/x/net/http2/hpack"
)

// send writes a frame of the peer.
func (p *player) send(text string) {
	w := strings.Fields(text)
	kind := w[0]
	w = w[1:]
	id := uint32(0)
	if len(w) > 0 {
		if n, err := strconv.Atoi(w[0]); err == nil {
			id = uint32(n)
		}
	}
	switch kind {
	case "PREFACE":
		p.peerBuf.WriteString(http2.ClientPreface)
	case "RAW":
		b, err := hex.DecodeString(strings.Join(w, ""))
		if err != nil {
			p.fatalf("%v", err)
		}
		p.peerBuf.Write(b)
	case "TEXT":
		p.peerBuf.WriteString(unescape(strings.Join(w, " ")))
	case "HEADERS":
		p.sendHeaders(id, w[1:])
	case "CONTINUATION":
		flags, block := p.block(w[1:])
		_ = p.peer.WriteContinuation(id, flags["more"] == "", block)
	case "DATA":
		p.sendData(id, w[1:])
	case "RST_STREAM":
		_ = p.peer.WriteRSTStream(id, codeOf(w[1]))
	case "SETTINGS":
		p.sendSettings(w)
	case "PING":
		var payload [8]byte
		copy(payload[:], w[len(w)-1])
		_ = p.peer.WritePing(w[0] == "ack", payload)
	case "GOAWAY":
		_ = p.peer.WriteGoAway(id, codeOf(w[1]), nil)
	case "WINDOW_UPDATE":
		n, _ := strconv.Atoi(w[1])
		_ = p.peer.WriteWindowUpdate(id, uint32(n))
	case "PRIORITY":
		n, _ := strconv.Atoi(w[1])
		_ = p.peer.WritePriority(id, http2.PriorityParam{StreamDep: uint32(n)})
	case "PUSH_PROMISE":
		_, block := p.block(w[1:])
		_ = p.peer.WritePushPromise(http2.PushPromiseParam{StreamID: id, PromiseID: 2, BlockFragment: block, EndHeaders: true})
	default:
		p.fatalf("unknown frame")
	}
}

// block takes words apart into flags and an encoded header block.
func (p *player) block(words []string) (map[string]string, []byte) {
	flags := map[string]string{}
	p.blockBuf.Reset()
	for _, word := range words {
		name, value, isField := strings.Cut(word, "=")
		switch {
		case name == "end", name == "more":
			flags[name] = "yes"
		case name == "pad", name == "parent":
			flags[name] = value
		case name == "hex":
			b, _ := hex.DecodeString(value)
			p.blockBuf.Write(b)
		case word == "GET" || word == "POST" || word == "HEAD":
			for _, f := range []string{":method=" + word, ":scheme=http", ":path=/", ":authority=h"} {
				x := parseField(f)
				_ = p.encoder.WriteField(xhpack.HeaderField{Name: string(x.Name), Value: string(x.Value)})
			}
		case isField:
			x := parseField(word)
			_ = p.encoder.WriteField(xhpack.HeaderField{Name: string(x.Name), Value: string(x.Value)})
		default:
			p.fatalf("unknown word %q", word)
		}
	}
	return flags, bytes.Clone(p.blockBuf.Bytes())
}

func (p *player) sendHeaders(id uint32, words []string) {
	flags, block := p.block(words)
	param := http2.HeadersFrameParam{StreamID: id, BlockFragment: block, EndStream: flags["end"] != "", EndHeaders: flags["more"] == ""}
	if pad, ok := flags["pad"]; ok {
		n, _ := strconv.Atoi(pad)
		param.PadLength = uint8(n)
	}
	if parent, ok := flags["parent"]; ok {
		n, _ := strconv.Atoi(parent)
		param.Priority = http2.PriorityParam{StreamDep: uint32(n), Weight: 15}
	}
	_ = p.peer.WriteHeaders(param)
}

func (p *player) sendData(id uint32, words []string) {
	words, end := popWord(words, "end")
	var body, pad []byte
	for _, word := range words {
		if n, ok := strings.CutPrefix(word, "pad="); ok {
			size, _ := strconv.Atoi(n)
			pad = make([]byte, size)
			continue
		}
		body = []byte(unescape(word))
	}
	if pad != nil {
		_ = p.peer.WriteDataPadded(id, end, body, pad)
		return
	}
	_ = p.peer.WriteData(id, end, body)
}

var settingNames = map[string]http2.SettingID{
	"HEADER_TABLE_SIZE": 1, "ENABLE_PUSH": 2, "MAX_CONCURRENT_STREAMS": 3,
	"INITIAL_WINDOW_SIZE": 4, "MAX_FRAME_SIZE": 5, "MAX_HEADER_LIST_SIZE": 6, "ENABLE_CONNECT_PROTOCOL": 8, "UNKNOWN": 0x99,
}

func (p *player) sendSettings(words []string) {
	if len(words) > 0 && words[0] == "ack" {
		_ = p.peer.WriteSettingsAck()
		return
	}
	var settings []http2.Setting
	for _, word := range words {
		name, value, _ := strings.Cut(word, "=")
		n, _ := strconv.ParseUint(value, 10, 32)
		settings = append(settings, http2.Setting{ID: settingNames[name], Val: uint32(n)})
	}
	_ = p.peer.WriteSettings(settings...)
}

func codeOf(word string) http2.ErrCode {
	for e := http2.ErrCodeNo; e <= http2.ErrCodeHTTP11Required; e++ {
		if e.String() == word {
			return e
		}
	}
	panic("no code " + word)
}

// parseOutput turns what the session wrote into lines.
func (p *player) parseOutput() {
	p.t.Helper()
	if p.sc.client && !p.sawHello && len(p.sink.out) > 0 {
		rest, ok := bytes.CutPrefix(p.sink.out, []byte(http2.ClientPreface))
		if !ok {
			p.fatalf("the session did not begin with the preface")
		}
		p.sawHello = true
		p.sink.out = rest
		p.unmatched = append(p.unmatched, "PREFACE")
	}
	r := http2.NewFramer(io.Discard, bytes.NewReader(p.sink.out))
	p.sink.out = p.sink.out[len(p.sink.out):]
	for {
		f, err := r.ReadFrame()
		if err == io.EOF {
			return
		}
		if err != nil {
			p.fatalf("the session sent what does not parse: %v", err)
		}
		p.unmatched = append(p.unmatched, p.render(f))
	}
}

func (p *player) render(f http2.Frame) string {
	id, flags := f.Header().StreamID, f.Header().Flags
	line := ""
	switch f := f.(type) {
	case *http2.DataFrame:
		line = fmt.Sprintf("DATA %d %s", id, f.Data())
	case *http2.HeadersFrame:
		line = fmt.Sprintf("HEADERS %d%s", id, p.fields(f.HeaderBlockFragment(), f.HeadersEnded()))
	case *http2.ContinuationFrame:
		return strings.TrimSpace(fmt.Sprintf("CONTINUATION %d%s", id, p.fields(f.HeaderBlockFragment(), f.HeadersEnded())))
	case *http2.SettingsFrame:
		line = "SETTINGS"
		if f.IsAck() {
			return line + " ack"
		}
		_ = f.ForeachSetting(func(s http2.Setting) error {
			line += fmt.Sprintf(" %v=%d", s.ID, s.Val)
			return nil
		})
		return line
	case *http2.PingFrame:
		if f.IsAck() {
			return fmt.Sprintf("PING ack %s", f.Data)
		}
		return fmt.Sprintf("PING %s", f.Data)
	case *http2.RSTStreamFrame:
		return fmt.Sprintf("RST_STREAM %d %v", id, f.ErrCode)
	case *http2.GoAwayFrame:
		return fmt.Sprintf("GOAWAY %d %v", f.LastStreamID, f.ErrCode)
	case *http2.WindowUpdateFrame:
		return fmt.Sprintf("WINDOW_UPDATE %d %d", id, f.Increment)
	default:
		p.fatalf("unexpected %v", f)
	}
	line = strings.TrimSpace(line)
	if flags.Has(http2.FlagDataEndStream) {
		line += " end"
	}
	return line
}

func (p *player) fields(fragment []byte, last bool) string {
	if _, err := p.decoder.Write(fragment); err != nil {
		p.fatalf("the session sent a bad header block: %v", err)
	}
	if !last {
		return " more"
	}
	if err := p.decoder.Close(); err != nil {
		p.fatalf("the session sent half a header block: %v", err)
	}
	line := ""
	for _, f := range p.partial {
		line += fmt.Sprintf(" %s=%s", f.Name, f.Value)
		if f.Sensitive {
			line += "!"
		}
	}
	p.partial = p.partial[:0]
	return line
}
