// Commands for azservicebus as lines of JSON, answers likewise; see ../README.md.
package main

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"strings"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/messaging/azservicebus"
	"github.com/Azure/go-amqp"
)

// patience bounds what the SDK would wait for without end.
const patience = 20 * time.Second

// settling bounds it for the outcome of a message: once the lock of its session is lost, the SDK
// tries again for most of a minute, whatever its options say.
const settling = 2 * time.Second

// receiver is what the SDK's two kinds of receivers have in common.
type receiver interface {
	ReceiveMessages(context.Context, int, *azservicebus.ReceiveMessagesOptions) ([]*azservicebus.ReceivedMessage, error)
	ReceiveDeferredMessages(context.Context, []int64, *azservicebus.ReceiveDeferredMessagesOptions) ([]*azservicebus.ReceivedMessage, error)
	PeekMessages(context.Context, int, *azservicebus.PeekMessagesOptions) ([]*azservicebus.ReceivedMessage, error)
	CompleteMessage(context.Context, *azservicebus.ReceivedMessage, *azservicebus.CompleteMessageOptions) error
	AbandonMessage(context.Context, *azservicebus.ReceivedMessage, *azservicebus.AbandonMessageOptions) error
	DeferMessage(context.Context, *azservicebus.ReceivedMessage, *azservicebus.DeferMessageOptions) error
	DeadLetterMessage(context.Context, *azservicebus.ReceivedMessage, *azservicebus.DeadLetterOptions) error
	Close(context.Context) error
}

// command is a line with every argument that a command can have.
type command struct {
	Command          string    `json:"command"`
	ConnectionString string    `json:"connection_string"`
	Address          string    `json:"address"`
	Entity           string    `json:"entity"`
	Messages         []message `json:"messages"`
	Batch            bool      `json:"batch"`
	At               int64     `json:"at"`
	Numbers          []int64   `json:"numbers"`
	Receiver         string    `json:"receiver"`
	Subscription     string    `json:"subscription"`
	DeadLetters      bool      `json:"dead_letters"`
	Delete           bool      `json:"delete"`
	Session          *string   `json:"session"`
	NextSession      bool      `json:"next_session"`
	Most             int       `json:"most"`
	Wait             float64   `json:"wait"`
	Number           *int64    `json:"number"`
	Message          string    `json:"message"`
	Reason           *string   `json:"reason"`
	Description      *string   `json:"description"`
	State            []byte    `json:"state"`

	Properties map[string]any `json:"properties"`
}

// program is what a run has opened.
type program struct {
	client    *azservicebus.Client
	senders   map[string]*azservicebus.Sender
	receivers map[string]receiver
	messages  map[string]*azservicebus.ReceivedMessage
}

func main() {
	p := program{
		senders:   map[string]*azservicebus.Sender{},
		receivers: map[string]receiver{},
		messages:  map[string]*azservicebus.ReceivedMessage{},
	}
	lines := bufio.NewScanner(os.Stdin)
	lines.Buffer(nil, 64<<20)
	answers := json.NewEncoder(os.Stdout)
	for lines.Scan() {
		var c command
		answer := map[string]any{}
		err := json.Unmarshal(lines.Bytes(), &c)
		if err == nil {
			answer["result"], err = p.run(c)
		}
		if err != nil {
			answer = map[string]any{"error": code(err), "text": err.Error()}
		}
		if err := answers.Encode(answer); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
	}
}

func (p *program) run(c command) (any, error) {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	switch c.Command {
	case "open":
		return nil, p.open(c)
	case "close":
		return nil, p.client.Close(ctx)
	case "send":
		return nil, p.send(ctx, c)
	case "schedule":
		sender, err := p.sender(c.Entity)
		if err != nil {
			return nil, err
		}
		return sender.ScheduleMessages(ctx, made(c.Messages), time.UnixMilli(c.At), nil)
	case "cancel":
		sender, err := p.sender(c.Entity)
		if err != nil {
			return nil, err
		}
		return nil, sender.CancelScheduledMessages(ctx, c.Numbers, nil)
	case "receive_from":
		return p.receiveFrom(ctx, c)
	}
	r, found := p.receivers[c.Receiver]
	if !found {
		return nil, fmt.Errorf("there is no receiver %q for %s", c.Receiver, c.Command)
	}
	return p.withReceiver(ctx, c, r)
}

func (p *program) withReceiver(ctx context.Context, c command, r receiver) (any, error) {
	message := p.messages[c.Message]
	if message != nil {
		var cancel func()
		ctx, cancel = context.WithTimeout(ctx, settling)
		defer cancel()
	}
	switch c.Command {
	case "leave":
		delete(p.receivers, c.Receiver)
		err := r.Close(ctx)
		if err != nil && strings.Contains(err.Error(), "com.microsoft:session-lock-lost") {
			// It was closed by that, which the SDK tells as text.
			err = nil
		}
		return nil, err
	case "receive":
		return p.receive(c, r)
	case "receive_deferred":
		received, err := r.ReceiveDeferredMessages(ctx, c.Numbers, nil)
		return p.keep(received), err
	case "peek":
		peeked, err := r.PeekMessages(ctx, c.Most, &azservicebus.PeekMessagesOptions{FromSequenceNumber: c.Number})
		return allTold(peeked), err
	case "complete":
		return nil, r.CompleteMessage(ctx, message, nil)
	case "abandon":
		return nil, r.AbandonMessage(ctx, message, &azservicebus.AbandonMessageOptions{PropertiesToModify: c.Properties})
	case "defer":
		return nil, r.DeferMessage(ctx, message, &azservicebus.DeferMessageOptions{PropertiesToModify: c.Properties})
	case "dead_letter":
		options := azservicebus.DeadLetterOptions{Reason: c.Reason, ErrorDescription: c.Description}
		return nil, r.DeadLetterMessage(ctx, message, &options)
	case "renew":
		if err := r.(*azservicebus.Receiver).RenewMessageLock(ctx, message, nil); err != nil {
			return nil, err
		}
		return message.LockedUntil.UnixMilli(), nil
	}
	session, isSession := r.(*azservicebus.SessionReceiver)
	if !isSession {
		return nil, fmt.Errorf("%s is for sessions", c.Command)
	}
	switch c.Command {
	case "renew_session":
		err := session.RenewSessionLock(ctx, nil)
		return session.LockedUntil().UnixMilli(), err
	case "get_state":
		return session.GetSessionState(ctx, nil)
	case "set_state":
		return nil, session.SetSessionState(ctx, c.State, nil)
	default:
		return nil, fmt.Errorf("there is no command %q", c.Command)
	}
}

func (p *program) open(c command) (err error) {
	options := azservicebus.ClientOptions{
		CustomEndpoint: c.Address,
		RetryOptions:   azservicebus.RetryOptions{MaxRetries: -1},
	}
	p.client, err = azservicebus.NewClientFromConnectionString(c.ConnectionString, &options)
	return err
}

func (p *program) sender(entity string) (*azservicebus.Sender, error) {
	if sender, found := p.senders[entity]; found {
		return sender, nil
	}
	sender, err := p.client.NewSender(entity, nil)
	if err == nil {
		p.senders[entity] = sender
	}
	return sender, err
}

func (p *program) send(ctx context.Context, c command) error {
	sender, err := p.sender(c.Entity)
	if err != nil {
		return err
	}
	if !c.Batch {
		for _, message := range made(c.Messages) {
			if err := sender.SendMessage(ctx, message, nil); err != nil {
				return err
			}
		}
		return nil
	}
	batch, err := sender.NewMessageBatch(ctx, nil)
	if err != nil {
		return err
	}
	for _, message := range made(c.Messages) {
		if err := batch.AddMessage(message, nil); err != nil {
			return err
		}
	}
	return sender.SendMessageBatch(ctx, batch, nil)
}

func (p *program) receiveFrom(ctx context.Context, c command) (any, error) {
	mode := azservicebus.ReceiveModePeekLock
	if c.Delete {
		mode = azservicebus.ReceiveModeReceiveAndDelete
	}
	if c.Session == nil && !c.NextSession {
		options := azservicebus.ReceiverOptions{ReceiveMode: mode}
		if c.DeadLetters {
			options.SubQueue = azservicebus.SubQueueDeadLetter
		}
		var made *azservicebus.Receiver
		var err error
		if c.Subscription == "" {
			made, err = p.client.NewReceiverForQueue(c.Entity, &options)
		} else {
			made, err = p.client.NewReceiverForSubscription(c.Entity, c.Subscription, &options)
		}
		if err != nil {
			return nil, err
		}
		p.receivers[c.Receiver] = made
		return map[string]any{"session_id": nil, "locked_until": nil}, nil
	}
	if c.Wait > 0 {
		var cancel func()
		ctx, cancel = context.WithTimeout(ctx, seconds(c.Wait))
		defer cancel()
	}
	made, err := p.accept(ctx, c, &azservicebus.SessionReceiverOptions{ReceiveMode: mode})
	if err != nil {
		return nil, err
	}
	p.receivers[c.Receiver] = made
	return map[string]any{"session_id": made.SessionID(), "locked_until": made.LockedUntil().UnixMilli()}, nil
}

func (p *program) accept(ctx context.Context, c command, options *azservicebus.SessionReceiverOptions) (*azservicebus.SessionReceiver, error) {
	switch {
	case c.NextSession && c.Subscription == "":
		return p.client.AcceptNextSessionForQueue(ctx, c.Entity, options)
	case c.NextSession:
		return p.client.AcceptNextSessionForSubscription(ctx, c.Entity, c.Subscription, options)
	case c.Subscription == "":
		return p.client.AcceptSessionForQueue(ctx, c.Entity, *c.Session, options)
	default:
		return p.client.AcceptSessionForSubscription(ctx, c.Entity, c.Subscription, *c.Session, options)
	}
}

// receive waits for messages; to the SDK a wait that has ended is an error, here it is no message.
func (p *program) receive(c command, r receiver) (any, error) {
	ctx, cancel := context.WithTimeout(context.Background(), seconds(c.Wait))
	defer cancel()
	received, err := r.ReceiveMessages(ctx, c.Most, nil)
	if errors.Is(err, context.DeadlineExceeded) && ctx.Err() != nil {
		err = nil
	}
	return p.keep(received), err
}

// keep tells messages, and keeps them for whoever settles them by their lock.
func (p *program) keep(received []*azservicebus.ReceivedMessage) []map[string]any {
	for _, message := range received {
		p.messages[lock(message)] = message
	}
	return allTold(received)
}

func seconds(count float64) time.Duration {
	return time.Duration(count * float64(time.Second))
}

func code(err error) string {
	var condition *amqp.Error
	if errors.As(err, &condition) {
		switch condition.Condition {
		case "com.microsoft:session-cannot-be-locked":
			return "session held"
		case "com.microsoft:session-lock-lost":
			return "session lock lost"
		case amqp.ErrCondNotFound:
			return "no such entity"
		case amqp.ErrCondMessageSizeExceeded:
			return "too large"
		}
	}
	var own *azservicebus.Error
	if !errors.As(err, &own) {
		if errors.Is(err, azservicebus.ErrMessageTooLarge) {
			return "too large"
		}
		if errors.Is(err, context.DeadlineExceeded) {
			return "timeout"
		}
		return "other"
	}
	switch own.Code {
	case azservicebus.CodeLockLost:
		return "lock lost"
	case azservicebus.CodeUnauthorizedAccess:
		return "unauthorized"
	case azservicebus.CodeNotFound:
		return "no such entity"
	case azservicebus.CodeTimeout:
		return "timeout"
	default:
		return strings.ToLower(string(own.Code))
	}
}
