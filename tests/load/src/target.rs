//! Where the load goes.

use std::fmt;
use std::net::{SocketAddr, ToSocketAddrs as _};
use std::str::FromStr;

use http::Uri;

/// A plain HTTP address on this machine.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Target {
    /// Where to connect.
    pub address: SocketAddr,
    /// The `host` header.
    pub authority: String,
    /// Path and query.
    pub path: String,
}

/// Why a text is no [`Target`].
#[derive(Debug)]
pub enum BadTarget {
    /// The text is no URL.
    NotUrl(http::uri::InvalidUri),
    /// The scheme is not `http`, or there is no host.
    NotHttp,
    /// The host has no address.
    NoAddress(String),
    /// Load is for servers that stand on this machine.
    NotLoopback(SocketAddr),
}

impl Target {
    /// The same server at another path below this one.
    pub fn below(&self, path: &str) -> Self {
        let path = format!("{}{path}", self.path.trim_end_matches('/'));
        Self { path, ..self.clone() }
    }
}

impl FromStr for Target {
    type Err = BadTarget;

    fn from_str(text: &str) -> Result<Self, BadTarget> {
        let uri: Uri = text.parse().map_err(BadTarget::NotUrl)?;
        let (Some("http"), Some(authority)) = (uri.scheme_str(), uri.authority()) else {
            return Err(BadTarget::NotHttp);
        };
        let host = authority.host().trim_start_matches('[').trim_end_matches(']');
        let address = (host, authority.port_u16().unwrap_or(80))
            .to_socket_addrs()
            .ok()
            .and_then(|mut addresses| addresses.next())
            .ok_or_else(|| BadTarget::NoAddress(host.to_owned()))?;
        if !address.ip().is_loopback() {
            return Err(BadTarget::NotLoopback(address));
        }
        let path = uri.path_and_query().map_or("/", |path| path.as_str()).to_owned();
        Ok(Self { address, authority: authority.to_string(), path })
    }
}

impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "http://{}{}", self.authority, self.path)
    }
}

impl fmt::Display for BadTarget {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotUrl(error) => write!(f, "not a URL: {error}"),
            Self::NotHttp => f.write_str("expected a URL such as http://127.0.0.1:10000/orders"),
            Self::NoAddress(host) => write!(f, "{host} has no address"),
            Self::NotLoopback(address) => write!(f, "{address} is not on loopback"),
        }
    }
}

impl std::error::Error for BadTarget {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::NotUrl(error) => Some(error),
            Self::NotHttp | Self::NoAddress(_) | Self::NotLoopback(_) => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn error(text: &str) -> String {
        text.parse::<Target>().unwrap_err().to_string()
    }

    #[test]
    fn a_url_is_taken_apart() {
        let target: Target = "http://127.0.0.1:10000/orders?a=b".parse().unwrap();
        assert_eq!(target.address, "127.0.0.1:10000".parse().unwrap());
        assert_eq!(target.authority, "127.0.0.1:10000");
        assert_eq!(target.path, "/orders?a=b");
        let bare: Target = "http://[::1]".parse().unwrap();
        assert_eq!((bare.address.port(), bare.path.as_str()), (80, "/"));
        assert_eq!(bare.below("/$emulator/stored").path, "/$emulator/stored");
    }

    #[test]
    fn other_schemes_and_other_machines_are_refused() {
        let usage = "expected a URL such as http://127.0.0.1:10000/orders";
        assert_eq!(error("https://127.0.0.1/"), usage);
        assert_eq!(error("/orders"), usage);
        assert_eq!(error("http://192.0.2.1:80/"), "192.0.2.1:80 is not on loopback");
        assert_eq!(error("http://a b/"), "not a URL: invalid uri character");
    }
}
