//! Connections, driven frame by frame with a clock of the test.

mod client;
mod hostile;
mod links;
mod management;
mod opening;
mod receiving;
mod sending;
