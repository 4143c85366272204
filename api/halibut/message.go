package halibut

import (
	"errors"
	"fmt"
	"reflect"
)

const (
	requestType  = "Halibut.Transport.Protocol.RequestMessage, Halibut"
	responseType = "Halibut.Transport.Protocol.ResponseMessage, Halibut"
	typeElement  = "$type"
)

var (
	errNullMessage = errors.New("message is null")
	// errMismatch means that a parameter does not fit the method; the connection remains in step.
	errMismatch = errors.New("parameters do not fit the method")
)

// request is a RequestMessage (halibut.md section 3.5). Pointers are nil where the peer sent null or nothing.
type request struct {
	ID       *string          `bson:"id"`
	Activity rawValue         `bson:"activityId"`
	Endpoint *requestEndpoint `bson:"endpoint"`
	Service  *string          `bson:"service"`
	Method   *string          `bson:"method"`
	Params   []rawValue       `bson:"params"`
}

// requestEndpoint is the smallest form of a ServiceEndPoint that every generation accepts.
type requestEndpoint struct {
	BaseURI    *string `bson:"BaseUri"`
	Thumbprint *string `bson:"RemoteThumbprint"`
}

// response is a ResponseMessage.
type response struct {
	ID     *string       `bson:"id"`
	Error  *messageError `bson:"error"`
	Result rawValue      `bson:"result"`
}

// messageError is a ServerError on the wire.
type messageError struct {
	Message          *string `bson:"message"`
	Details          *string `bson:"details"`
	HalibutErrorType *string `bson:"HalibutErrorType"`
}

// encodeRequest writes a whole request in BSON.
func encodeRequest(id string, activity GUID, ep requestEndpoint, call Call) (*encoder, error) {
	e := &encoder{}
	root, message := e.beginMessage(requestType)
	e.text("id", id)
	e.guid("activityId", activity)
	if err := e.value("endpoint", reflect.ValueOf(ep), 0); err != nil {
		return nil, err
	}
	e.text("service", call.Service)
	e.text("method", call.Method)
	e.key(typeArray, "params")
	params := e.begin()
	for i, p := range call.Params {
		if err := e.object(fmt.Sprint(i), p); err != nil {
			return nil, fmt.Errorf("encoding parameter %d of %s: %w", i+1, call.Method, err)
		}
	}
	e.end(params)
	e.end(message)
	e.end(root)
	return e, e.checkStreams()
}

// encodeResponse writes a whole response in BSON, with a result or with an error.
func encodeResponse(id *string, result any, failure *ServerError) (*encoder, error) {
	e := &encoder{}
	root, message := e.beginMessage(responseType)
	if err := e.value("id", reflect.ValueOf(id), 0); err != nil {
		return nil, err
	}
	if failure == nil {
		e.null("error")
	} else {
		e.failure(failure)
	}
	if err := e.object("result", result); err != nil {
		return nil, fmt.Errorf("encoding result: %w", err)
	}
	e.end(message)
	e.end(root)
	return e, e.checkStreams()
}

func (e *encoder) beginMessage(messageType string) (root, message int) {
	root = e.begin()
	e.key(typeDocument, "Message")
	message = e.begin()
	e.text(typeElement, messageType)
	return root, message
}

func (e *encoder) failure(f *ServerError) {
	e.key(typeDocument, "error")
	start := e.begin()
	e.text("message", f.Message)
	e.text("details", f.Details)
	if f.HalibutErrorType == "" {
		e.null("HalibutErrorType")
	} else {
		e.text("HalibutErrorType", f.HalibutErrorType)
	}
	e.end(start)
}

// checkStreams refuses what no receiver could sort out: the same stream twice in a message.
func (e *encoder) checkStreams() error {
	if e.size() > maxEncoded {
		return fmt.Errorf("message exceeds %d bytes", maxEncoded)
	}
	seen := make(map[GUID]bool, len(e.streams))
	for _, s := range e.streams {
		if seen[s.id] {
			return errors.New("a data stream occurs twice in a message")
		}
		seen[s.id] = true
	}
	return nil
}

// openMessage returns the message in a root document, once its type has been seen to be the expected one.
func openMessage(data []byte, messageType string) (rawValue, error) {
	root, err := readDocument(data)
	if err != nil {
		return rawValue{}, err
	}
	e, ok, err := root.next()
	switch {
	case err != nil:
		return rawValue{}, err
	case !ok || e.name != "Message" || len(root.rest) > 0:
		return rawValue{}, errors.New("BSON document is not {Message: …}")
	case e.isNull():
		return rawValue{}, errNullMessage
	}
	name, ok, err := typeOf(e.rawValue)
	switch {
	case err != nil:
		return rawValue{}, err
	case !ok || name != messageType:
		return rawValue{}, fmt.Errorf("message has the $type %.100q", name)
	}
	return e.rawValue, nil
}

// typeOf returns the $type of an object; ok is false where raw is no object or $type is not its first element.
func typeOf(raw rawValue) (name string, ok bool, err error) {
	if raw.kind != typeDocument {
		return "", false, nil
	}
	doc, err := readDocument(raw.data)
	if err != nil {
		return "", false, err
	}
	e, ok, err := doc.next()
	if err != nil || !ok || e.name != typeElement || e.kind != typeString {
		return "", false, err
	}
	name, err = e.text()
	return name, err == nil, err
}
