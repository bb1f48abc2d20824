//! Certificates made on the spot, by authorities that only the test trusts.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use rcgen::{
    BasicConstraints, CertificateParams, CertifiedIssuer, DistinguishedName, DnType, ExtendedKeyUsagePurpose,
    IsCa, KeyPair, KeyUsagePurpose,
};
use rustls::pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer};

use crate::wait;

/// Seconds of a day.
pub const DAY: i64 = 86_400;

/// An authority.
#[derive(Debug)]
pub struct Authority {
    issuer: CertifiedIssuer<'static, KeyPair>,
}

/// A certificate with its key, signed by an authority.
#[derive(Debug)]
pub struct Leaf {
    /// The certificate (PEM).
    pub cert: String,
    /// Its key (PEM).
    pub key: String,
    /// The certificate (DER).
    pub der: CertificateDer<'static>,
    secret: Vec<u8>,
}

/// From when to when a certificate is valid, in seconds from now.
pub type Life = (i64, i64);

/// A usual life: begun yesterday, ends in 89 days.
pub const USUAL: Life = (-DAY, 89 * DAY);

impl Authority {
    /// A new authority of this name.
    pub fn new(name: &str) -> Self {
        let mut params = CertificateParams::default();
        params.distinguished_name = common_name(name);
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
        let key = KeyPair::generate().expect("a key can be made");
        Self { issuer: CertifiedIssuer::self_signed(params, key).expect("an authority can be made") }
    }

    /// Its own certificate (PEM).
    pub fn pem(&self) -> String {
        self.issuer.pem()
    }

    /// Its own certificate (DER).
    pub fn der(&self) -> CertificateDer<'static> {
        self.issuer.der().clone()
    }

    /// Writes its certificate into a folder.
    pub fn write(&self, folder: &Path, name: &str) -> PathBuf {
        let path = folder.join(name);
        fs::write(&path, self.pem()).expect("the folder can be written to");
        path
    }

    /// A certificate of a server with these names.
    pub fn server(&self, names: &[&str]) -> Leaf {
        self.server_for(names, USUAL)
    }

    /// A certificate of a server with these names and this life.
    pub fn server_for(&self, names: &[&str], life: Life) -> Leaf {
        let names: Vec<String> = names.iter().map(|&name| name.to_owned()).collect();
        let mut params = CertificateParams::new(names).expect("the names can be in a certificate");
        params.distinguished_name = DistinguishedName::new();
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
        self.leaf(params, life)
    }

    /// A certificate of a client with this common name and these alternative names.
    pub fn client(&self, name: &str, alternatives: &[&str]) -> Leaf {
        let names: Vec<String> = alternatives.iter().map(|&name| name.to_owned()).collect();
        let mut params = CertificateParams::new(names).expect("the names can be in a certificate");
        params.distinguished_name = common_name(name);
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
        self.leaf(params, USUAL)
    }

    fn leaf(&self, mut params: CertificateParams, life: Life) -> Leaf {
        set_life(&mut params, life);
        let key = KeyPair::generate().expect("a key can be made");
        let certificate = params.signed_by(&key, &self.issuer).expect("a certificate can be signed");
        Leaf {
            cert: certificate.pem(),
            key: key.serialize_pem(),
            der: certificate.der().clone(),
            secret: key.serialize_der(),
        }
    }

    /// Signs what a request (DER) asks for.
    pub fn sign_request(&self, der: &[u8], life: Life) -> String {
        let request = rcgen::CertificateSigningRequestParams::from_der(&der.into());
        let mut request = request.expect("it is a signing request");
        set_life(&mut request.params, life);
        request.signed_by(&self.issuer).expect("a request can be signed").pem()
    }
}

/// Writes times of a certificate.
fn set_life(params: &mut CertificateParams, (from, to): Life) {
    let now = wait::wall();
    let at = |seconds: i64| {
        let distance = Duration::from_secs(seconds.unsigned_abs());
        if seconds < 0 { now - distance } else { now + distance }
    };
    params.not_before = at(from).into();
    params.not_after = at(to).into();
}

fn common_name(name: &str) -> DistinguishedName {
    let mut names = DistinguishedName::new();
    names.push(DnType::CommonName, name);
    names
}

impl Leaf {
    /// Writes `NAME.pem` and `NAME.key` into a folder.
    pub fn write(&self, folder: &Path, name: &str) {
        fs::write(folder.join(format!("{name}.pem")), &self.cert).expect("the folder can be written to");
        fs::write(folder.join(format!("{name}.key")), &self.key).expect("the folder can be written to");
    }

    /// The chain with its key, as rustls takes them.
    pub fn parts(&self) -> (Vec<CertificateDer<'static>>, PrivateKeyDer<'static>) {
        (vec![self.der.clone()], PrivatePkcs8KeyDer::from(self.secret.clone()).into())
    }
}
