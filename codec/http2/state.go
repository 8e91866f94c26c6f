// SPDX-License-Identifier: Apache-2.0

package http2

// state is where a stream is in its life. Ends are counted when they are given:
// a reply whose end was sent to us but waits for window is ended for its holder,
// which is why there are two states more than in RFC 9113, 5.1.
//
//	          idle
//	           | open
//	           v
//	          open ----------+
//	 sendEnd /    \ recvEnd  |
//	        v      v         |
//	halfLocal    halfRemote  |
//	  |  |  \      /  |      | reset by either side,
//	  |  |   v    v   |      | from every state
//	  |  |  flushing  |      |
//	  |  |     |      |      |
//	  | cutting|      |      |
//	  v  v     v      v      v
//	          closed <-------+
type state uint8

const (
	// stateIdle is the zero value: not open yet.
	stateIdle state = iota
	stateOpen
	// stateHalfLocal has been given all that we send.
	stateHalfLocal
	// stateHalfRemote has received all that the peer sends.
	stateHalfRemote
	// stateFlushing has both; held bytes are still to be sent. Nobody is told
	// of the stream any more.
	stateFlushing
	// stateCutting is a server stream whose holder has no use for the rest of
	// the request: held bytes are still to be sent, then its end is waited for
	// a little (linger.go), then RST_STREAM NO_ERROR (RFC 9113, 8.1). Nobody is
	// told of the stream any more.
	stateCutting
	stateClosed
)

// open is HEADERS that begins a stream.
func (st state) open() state {
	if st != stateIdle {
		panic("http2: stream opened twice")
	}
	return stateOpen
}

// sendEnd is END_STREAM given by the holder; held tells that bytes wait before
// it. It is only asked for when maySend.
func (st state) sendEnd(held bool) state {
	switch st {
	case stateOpen:
		return stateHalfLocal
	case stateHalfRemote:
		if held {
			return stateFlushing
		}
		return stateClosed
	case stateIdle, stateHalfLocal, stateFlushing, stateCutting, stateClosed:
	}
	return st
}

// recvEnd is END_STREAM from the peer. It is only asked for when mayReceive.
func (st state) recvEnd(held bool) state {
	switch st {
	case stateOpen:
		return stateHalfRemote
	case stateHalfLocal, stateCutting:
		// Where it was to be cut off, the request ended after all.
		if held {
			return stateFlushing
		}
		return stateClosed
	case stateIdle, stateHalfRemote, stateFlushing, stateClosed:
	}
	return st
}

// flushed is the last held byte sent.
func (st state) flushed() state {
	switch st {
	case stateFlushing:
		return stateClosed
	case stateIdle, stateOpen, stateHalfLocal, stateHalfRemote, stateCutting, stateClosed:
	}
	return st
}

// cut is Reset of a server stream without a reason.
func (st state) cut() state {
	switch st {
	case stateHalfLocal:
		return stateCutting
	case stateFlushing, stateCutting:
		return st
	case stateIdle, stateOpen, stateHalfRemote, stateClosed:
	}
	return stateClosed
}

// maySend tells that the holder may send.
func (st state) maySend() bool { return st == stateOpen || st == stateHalfRemote }

// mayReceive tells that the peer may send HEADERS and DATA (RFC 9113, 5.1).
func (st state) mayReceive() bool {
	return st == stateOpen || st == stateHalfLocal || st == stateCutting
}

// live tells that the holder still has the stream.
func (st state) live() bool {
	return st == stateOpen || st == stateHalfLocal || st == stateHalfRemote
}
