//! Fields that belong to one connection and are never passed on (RFC 9110, 7.6.1).

use std::borrow::Cow;

use crate::h1::{Field, Fields, Known};
use crate::tls::is_reserved;

/// Every field that belongs to one connection, also when `Connection` does not name it. Framing is not among them: it
/// is written by whoever knows how the body goes on.
const OWN: &[Known] = &[
    Known::Connection,
    Known::Te,
    Known::Upgrade,
    Known::KeepAlive,
    Known::ProxyConnection,
    Known::ProxyAuthenticate,
    Known::ProxyAuthorization,
    Known::Http2Settings,
    // Between a backend and this proxy; see `report` for pools that pass it on.
    Known::Load,
    Known::EndpointLoad,
    Known::EndpointLoadBinary,
];

/// The set of [`OWN`].
const ALWAYS: u64 = {
    let (mut set, mut index) = (0, 0);
    while index < OWN.len() {
        set |= bit(OWN[index]);
        index += 1;
    }
    set
};

/// Fields that are not removed because `Connection` names them: those that frame or direct the message, for naming
/// them is an attack. What the proxy itself sets is written afterwards anyway.
const NOT_TO_BE_NAMED: &[Known] = &[
    Known::Host,
    Known::ContentLength,
    Known::TransferEncoding,
    Known::Trailer,
    Known::Expect,
    Known::Cookie,
    Known::Via,
];

/// Which fields of one head stay behind.
#[derive(Clone, Copy, Debug)]
pub(super) struct Hop<'h> {
    bytes: &'h [u8],
    fields: &'h Fields,
    removed: u64,
    names_others: bool,
    reserved: &'h [String],
}

impl<'h> Hop<'h> {
    /// For a head; `replaced` are fields that are written anew.
    pub(super) fn of(bytes: &'h [u8], fields: &'h Fields, replaced: &[Known]) -> Self {
        let removed = replaced.iter().fold(ALWAYS, |set, known| set | bit(*known));
        let names_others = fields.options().others;
        Self { bytes, fields, removed, names_others, reserved: &[] }
    }

    /// Leaves behind fields that pretend to be what only this proxy may write.
    pub(super) fn without(mut self, reserved: &'h [String]) -> Self {
        self.reserved = reserved;
        self
    }

    /// True when the field goes on to the other side.
    #[inline]
    pub(super) fn passes(&self, field: &Field) -> bool {
        self.removed & bit(field.known) == 0
            && !(self.names_others && self.is_named(field))
            && (self.reserved.is_empty() || !self.is_reserved(field))
    }

    /// Fields that go on.
    pub(super) fn passing(&self) -> impl Iterator<Item = &'h Field> {
        let this = *self;
        self.fields.iter().filter(move |field| this.passes(field))
    }

    /// Calls `run` for each run of lines that go on, as they came.
    #[inline]
    pub(super) fn runs(&self, mut run: impl FnMut(&[u8])) {
        let (mut start, mut end) = (0, 0);
        for field in self.fields {
            let line = field.line();
            if self.passes(field) {
                if end == 0 {
                    start = line.start();
                }
                end = line.end();
            } else if end > 0 {
                run(&self.bytes[start..end]);
                end = 0;
            }
        }
        if end > 0 {
            run(&self.bytes[start..end]);
        }
    }

    fn is_reserved(&self, field: &Field) -> bool {
        self.reserved.iter().any(|prefix| is_reserved(prefix, field.name.of(self.bytes)))
    }

    #[cold]
    fn is_named(&self, field: &Field) -> bool {
        let name = field.name.of(self.bytes);
        !NOT_TO_BE_NAMED.contains(&field.known)
            && self
                .fields
                .elements(self.bytes, Known::Connection)
                .any(|option| option.eq_ignore_ascii_case(name))
    }
}

#[inline]
const fn bit(known: Known) -> u64 {
    match known {
        Known::Other => 0,
        known => 1 << known as u8,
    }
}

/// True when the sender of a request reads trailers: the one thing that `TE` may still say.
pub(super) fn reads_trailers(bytes: &[u8], fields: &Fields) -> bool {
    fields.has(Known::Te)
        && fields.elements(bytes, Known::Te).any(|coding| coding.eq_ignore_ascii_case(b"trailers"))
}

/// Lines of trailers but for those that pretend to be what only this proxy may write: some servers add trailers to the
/// fields of the head.
pub(super) fn honest_trailers<'t>(lines: &'t [u8], reserved: &[String]) -> Cow<'t, [u8]> {
    let pretends = |line: &[u8]| {
        let name = line.split(|byte| *byte == b':').next().unwrap_or_default();
        reserved.iter().any(|prefix| is_reserved(prefix, name))
    };
    let lines_of = || lines.split_inclusive(|byte| *byte == b'\n');
    if lines_of().any(pretends) {
        Cow::Owned(lines_of().filter(|line| !pretends(line)).flatten().copied().collect())
    } else {
        Cow::Borrowed(lines)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::h1::{Limits, RequestHead};

    fn after_removal(fields: &str) -> String {
        let bytes = format!("GET / HTTP/1.1\r\nhost: a\r\n{fields}\r\n").into_bytes();
        let mut head = RequestHead::default();
        assert_eq!(head.read(&bytes, Limits { bytes: 8192, fields: 100 }), Ok(true));
        let mut left = Vec::new();
        let hop = Hop::of(&bytes, &head.fields, &[]);
        hop.runs(|run| left.extend_from_slice(run));
        let names: Vec<_> = hop.passing().map(|f| f.line().of(&bytes)).collect();
        assert_eq!(names.concat(), left, "runs are the fields that pass");
        String::from_utf8(left).unwrap()
    }

    #[test]
    fn fields_of_the_connection_and_those_it_names_go() {
        let left = after_removal(
            "Connection: keep-alive, X-Secret\r\nX-First: 0\r\nconnection: x-other\r\nkeep-alive: timeout=5\r\n\
             x-secret: 1\r\nX-OTHER: 2\r\nX-Stays: 3\r\nupgrade: websocket\r\nte: gzip, trailers\r\n\
             proxy-authorization: x\r\nx-last: 4\r\n",
        );
        assert_eq!(left, "host: a\r\nX-First: 0\r\nX-Stays: 3\r\nx-last: 4\r\n");
    }

    #[test]
    fn naming_host_or_length_does_not_remove_them() {
        let left = after_removal("connection: host, content-length\r\ncontent-length: 3\r\n");
        assert_eq!(left, "host: a\r\ncontent-length: 3\r\n");
    }

    #[test]
    fn trailers_do_not_claim_who_a_client_is() {
        let reserved = ["x-client-cert".to_owned()];
        let honest = |lines: &'static str| honest_trailers(lines.as_bytes(), &reserved).into_owned();
        assert_eq!(honest("a: 1\r\nX_Client-Cert-Subject: CN=root\r\nb: 2\r\n"), b"a: 1\r\nb: 2\r\n");
        for fine in ["", "x-client-certificate: 1\r\n", "a: x-client-cert-subject: 1\r\n"] {
            assert_eq!(honest(fine), fine.as_bytes());
        }
    }

    #[test]
    fn trailers_are_promised_by_te_alone() {
        let reads = |fields: &str| {
            let bytes = format!("GET / HTTP/1.1\r\nhost: a\r\n{fields}\r\n").into_bytes();
            let mut head = RequestHead::default();
            assert_eq!(head.read(&bytes, Limits { bytes: 8192, fields: 100 }), Ok(true));
            reads_trailers(&bytes, &head.fields)
        };
        assert!(reads("te: gzip, Trailers\r\n"));
        assert!(!reads("te: gzip\r\n") && !reads(""));
    }
}
