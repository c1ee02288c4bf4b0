//! The worker against a real Redis and the emulator of Service Bus.

#[cfg(test)]
mod bus;
#[cfg(test)]
mod client;
#[cfg(test)]
mod command;
#[cfg(test)]
mod orders;
#[cfg(test)]
mod outages;
#[cfg(test)]
mod server;
#[cfg(test)]
mod status_api;
