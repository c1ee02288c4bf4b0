//! The load generator against a server that answers well, wrongly, slowly or not at all.

#[cfg(test)]
mod aborts;
#[cfg(test)]
mod answers;
#[cfg(test)]
mod command;
#[cfg(test)]
mod server;
#[cfg(test)]
mod settlement;
