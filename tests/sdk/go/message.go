package main

import (
	"encoding/json"
	"fmt"
	"math"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/messaging/azservicebus"
)

// message is one that is to be sent.
type message struct {
	Body                 []byte         `json:"body"`
	MessageID            *string        `json:"message_id"`
	SessionID            *string        `json:"session_id"`
	CorrelationID        *string        `json:"correlation_id"`
	Subject              *string        `json:"subject"`
	To                   *string        `json:"to"`
	ReplyTo              *string        `json:"reply_to"`
	ReplyToSessionID     *string        `json:"reply_to_session_id"`
	ContentType          *string        `json:"content_type"`
	PartitionKey         *string        `json:"partition_key"`
	TimeToLive           *int64         `json:"time_to_live"`
	ScheduledEnqueueTime *int64         `json:"scheduled_enqueue_time"`
	Properties           map[string]any `json:"properties"`
}

func made(messages []message) []*azservicebus.Message {
	var all []*azservicebus.Message
	for _, m := range messages {
		one := azservicebus.Message{
			Body:                  m.Body,
			MessageID:             m.MessageID,
			SessionID:             m.SessionID,
			CorrelationID:         m.CorrelationID,
			Subject:               m.Subject,
			To:                    m.To,
			ReplyTo:               m.ReplyTo,
			ReplyToSessionID:      m.ReplyToSessionID,
			ContentType:           m.ContentType,
			PartitionKey:          m.PartitionKey,
			ApplicationProperties: map[string]any{},
		}
		for name, value := range m.Properties {
			// JSON has one kind of number.
			if number, ok := value.(float64); ok && number == math.Trunc(number) {
				value = int64(number)
			}
			one.ApplicationProperties[name] = value
		}
		if m.TimeToLive != nil {
			lifetime := time.Duration(*m.TimeToLive) * time.Millisecond
			one.TimeToLive = &lifetime
		}
		if m.ScheduledEnqueueTime != nil {
			at := time.UnixMilli(*m.ScheduledEnqueueTime)
			one.ScheduledEnqueueTime = &at
		}
		all = append(all, &one)
	}
	return all
}

func allTold(messages []*azservicebus.ReceivedMessage) []map[string]any {
	all := []map[string]any{}
	for _, m := range messages {
		all = append(all, told(m))
	}
	return all
}

func told(m *azservicebus.ReceivedMessage) map[string]any {
	properties := map[string]any{}
	for name, value := range m.ApplicationProperties {
		properties[name] = typed(value)
	}
	var lifetime *int64
	if m.TimeToLive != nil {
		millis := m.TimeToLive.Milliseconds()
		lifetime = &millis
	}
	states := map[azservicebus.MessageState]string{
		azservicebus.MessageStateActive:    "active",
		azservicebus.MessageStateDeferred:  "deferred",
		azservicebus.MessageStateScheduled: "scheduled",
	}
	return map[string]any{
		"body":                    m.Body,
		"message_id":              m.MessageID,
		"session_id":              m.SessionID,
		"correlation_id":          m.CorrelationID,
		"subject":                 m.Subject,
		"to":                      m.To,
		"reply_to":                m.ReplyTo,
		"reply_to_session_id":     m.ReplyToSessionID,
		"content_type":            m.ContentType,
		"partition_key":           m.PartitionKey,
		"time_to_live":            lifetime,
		"scheduled_enqueue_time":  millis(m.ScheduledEnqueueTime),
		"enqueued_time":           millis(m.EnqueuedTime),
		"sequence_number":         m.SequenceNumber,
		"delivery_count":          m.DeliveryCount,
		"state":                   states[m.State],
		"dead_letter_reason":      m.DeadLetterReason,
		"dead_letter_description": m.DeadLetterErrorDescription,
		"lock":                    lock(m),
		"locked_until":            millis(m.LockedUntil),
		"properties":              properties,
	}
}

func lock(m *azservicebus.ReceivedMessage) string {
	return fmt.Sprintf("%x", m.LockToken)
}

func millis(moment *time.Time) *int64 {
	if moment == nil {
		return nil
	}
	count := moment.UnixMilli()
	return &count
}

func typed(value any) []any {
	switch value := value.(type) {
	case bool:
		return []any{"boolean", value}
	case string:
		return []any{"string", value}
	case int8, int16, int32, int64, uint8, uint16, uint32, uint64:
		return []any{"integer", value}
	case float32, float64:
		return []any{"float", value}
	default:
		text, err := json.Marshal(value)
		if err != nil {
			text = []byte(err.Error())
		}
		return []any{fmt.Sprintf("%T", value), string(text)}
	}
}
