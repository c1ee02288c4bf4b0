//! Envoy's `local_reply_config`, which may rewrite what the filter answers.

use crate::text::Position;
use crate::yaml::Node;

/// Where answers are rewritten.
#[derive(Debug)]
pub(crate) struct LocalReply {
    /// The body of each answer.
    format: Option<Position>,
    mappers: Vec<Mapper>,
}

#[derive(Debug)]
struct Mapper {
    at: Position,
    /// Condition on the status, as operator and number; `None` takes each.
    status: Vec<(String, u64)>,
    /// Whether there are conditions that cannot be told from the answer alone.
    other_conditions: bool,
}

impl LocalReply {
    pub(super) fn read(manager: &Node) -> Option<Self> {
        let config = manager.get("local_reply_config")?;
        let mappers = config.get("mappers").map(|node| node.items()).unwrap_or_default();
        let mappers = mappers.iter().filter_map(|node| Mapper::read(node)).collect();
        let format = config.member("body_format").map(|(key, _)| key.at);
        Some(Self { format, mappers })
    }

    /// Where an answer with one of these statuses is rewritten.
    pub(crate) fn rewrites(&self, statuses: &[u64]) -> Option<(Position, u64)> {
        let of = |status: &u64| {
            let mapper = self.mappers.iter().find(|mapper| mapper.takes(*status));
            mapper.map(|mapper| mapper.at).or(self.format).map(|at| (at, *status))
        };
        statuses.iter().find_map(of)
    }
}

impl Mapper {
    /// One that changes status or body; new headers do no harm.
    fn read(node: &Node) -> Option<Self> {
        let changes = ["status_code", "body", "body_format_override"];
        changes.iter().find(|key| node.get(key).is_some())?;
        let mut mapper = Self { at: node.at, status: vec![], other_conditions: false };
        if let Some(filter) = node.get("filter") {
            mapper.condition(filter);
        }
        Some(mapper)
    }

    fn condition(&mut self, filter: &Node) {
        if let Some(all) = filter.path(&["and_filter", "filters"]) {
            return all.items().iter().for_each(|one| self.condition(one));
        }
        let comparison = filter.path(&["status_code_filter", "comparison"]);
        let value = comparison.and_then(|node| node.path(&["value", "default_value"]));
        match (comparison, value.and_then(Node::number)) {
            (Some(comparison), Some(number)) => {
                let operator = comparison.str_of("op").unwrap_or("EQ");
                self.status.push((operator.to_owned(), number));
            }
            _ => self.other_conditions = true,
        }
    }

    fn takes(&self, status: u64) -> bool {
        let fits = |(operator, number): &(String, u64)| match operator.as_str() {
            "GE" => status >= *number,
            "LE" => status <= *number,
            "NE" => status != *number,
            _ => status == *number,
        };
        !self.other_conditions && self.status.iter().all(fits)
    }
}
