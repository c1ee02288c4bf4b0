//! Sends seeded HTTP load, breaks off some of the requests on purpose, and
//! keeps a book of what became of each, to be balanced with the broker's.

#![forbid(unsafe_code)]

pub mod answer;
pub mod book;
pub mod command;
pub mod connection;
pub mod contract;
pub mod plan;
pub mod request;
pub mod run;
pub mod settle;
pub mod summary;
pub mod target;
pub mod verdict;
