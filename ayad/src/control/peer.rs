//! Who is at the other end of the control socket, by credentials that only the kernel can give.

use std::fs;

use aya_api::axis::Level;

/// A caller.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Actor {
    /// Login name, or `uid N` where there is none.
    pub name: String,
    /// How much they may do.
    pub level: Level,
}

impl Actor {
    /// The daemon itself, for what leases and signals do.
    pub fn daemon(cause: &str) -> Self {
        Self { name: format!("ayad ({cause})"), level: Level::Admin }
    }

    /// The caller with this user id. Root and the daemon's own user administrate; everyone else whom the
    /// mode of the socket lets in (its group) operates.
    pub fn of_uid(uid: u32) -> Self {
        let level = if uid == 0 || uid == rustix::process::geteuid().as_raw() {
            Level::Admin
        } else {
            Level::Operate
        };
        Self { name: login_name(uid).unwrap_or_else(|| format!("uid {uid}")), level }
    }
}

/// Reads the local user table; users from directories are shown by number.
fn login_name(uid: u32) -> Option<String> {
    let table = fs::read_to_string("/etc/passwd").ok()?;
    table.lines().find_map(|line| {
        let mut fields = line.split(':');
        let name = fields.next()?;
        (fields.nth(1)?.parse() == Ok(uid)).then(|| name.to_owned())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn root_has_a_name_and_may_do_everything() {
        assert_eq!(Actor::of_uid(0), Actor { name: "root".into(), level: Level::Admin });
    }
}
