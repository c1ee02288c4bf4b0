//! Connections, driven frame by frame with a clock of the test.

mod both;
mod client;
mod faults;
mod hostile;
mod links;
mod management;
mod opening;
mod receiving;
mod sending;
