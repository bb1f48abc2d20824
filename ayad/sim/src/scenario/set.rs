//! Single values of a scenario changed from outside of its file: `proxies=20`, `backend.0.slots=8`.

use toml::{Table, Value};

use super::{Scenario, ScenarioError};

impl Scenario {
    /// Reads a scenario file with values in place of those it has: keys as paths with dots, positions in lists from 0,
    /// values as TOML writes them; what is no TOML value is taken for a text.
    pub fn from_toml_with(text: &str, sets: &[(String, String)]) -> Result<Self, ScenarioError> {
        let scenario = Self::from_toml(text)?;
        if sets.is_empty() {
            return Ok(scenario);
        }
        let mut table: Table = toml::from_str(text)?;
        for (path, written) in sets {
            let value = toml::from_str::<Table>(&format!("v = {written}"))
                .ok()
                .and_then(|mut read| read.remove("v"))
                .unwrap_or_else(|| Value::String(written.clone()));
            put(&mut table, path, value).ok_or_else(|| ScenarioError::Path(path.clone()))?;
        }
        Self::from_toml(&toml::to_string(&table).map_err(|error| ScenarioError::Path(error.to_string()))?)
    }
}

/// Puts a value where a path leads; `None` when it leads nowhere.
fn put(table: &mut Table, path: &str, value: Value) -> Option<()> {
    let Some((first, rest)) = path.split_once('.') else {
        table.insert(path.to_owned(), value);
        return Some(());
    };
    let mut at = table.get_mut(first)?;
    let mut rest = rest;
    loop {
        match at {
            Value::Table(inner) => return put(inner, rest, value),
            Value::Array(items) => {
                let (index, further) = rest.split_once('.').map_or((rest, None), |(i, more)| (i, Some(more)));
                let item = items.get_mut(index.parse::<usize>().ok()?)?;
                let Some(further) = further else {
                    *item = value;
                    return Some(());
                };
                (at, rest) = (item, further);
            }
            _ => return None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scenario::tests::SMALL;

    fn set(path: &str, value: &str) -> Result<Scenario, ScenarioError> {
        Scenario::from_toml_with(SMALL, &[(path.to_owned(), value.to_owned())])
    }

    #[test]
    fn values_are_put_where_paths_lead() {
        assert_eq!(set("proxies", "20").unwrap().proxies, 20);
        assert_eq!(set("backend.0.slots", "8").unwrap().servers[0].slots, 8);
        assert_eq!(
            set("algorithm", "hot-cold quantile=0.7").unwrap().algorithm.to_string(),
            "hot-cold quantile=0.7"
        );
        let mean = set("backend.0.service.mean", "2ms").unwrap().servers[0].service.unwrap().mean_seconds();
        assert!((mean - 0.002).abs() < 1e-9);
    }

    #[test]
    fn a_path_that_leads_nowhere_is_refused() {
        assert!(set("backend.7.slots", "8").unwrap_err().to_string().contains("backend.7.slots"));
        assert!(set("proxys", "2").unwrap_err().to_string().contains("proxys"));
    }
}
