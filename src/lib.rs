//! Sends HTTP requests to Azure Service Bus queues and topics from inside Envoy.
