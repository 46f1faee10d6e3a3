//! Loading credentials: each file is checked before anything is started, and all that is wrong is reported together.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use anyhow::{Context, anyhow, ensure};
use device_sim::hint::Hint;
use fleet_protocol::collect::ALPN;
use fleet_protocol::plan::Shard;
use iot_protocol::shown;
use jiff::Timestamp;
use provisioning::certificate::CertificateError;
use provisioning::certificate::inspect::CertificateFacts;
use provisioning::certificate::load::{Identity, certificates};
use rustls::client::danger::ServerCertVerifier;
use rustls::client::{Resumption, WebPkiServerVerifier};
use rustls::crypto::{CryptoProvider, aws_lc_rs};
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::server::danger::ClientCertVerifier;
use rustls::server::{NoServerSessionStorage, WebPkiClientVerifier};
use rustls::sign::SingleCertAndKey;
use rustls::{ClientConfig, RootCertStore, ServerConfig};

use super::{CA, NAME_OF_SIM, Pair, folder_of_sim};

/// As many problems are shown.
const SHOWN: usize = 8;

/// TLS for the sims of the shards that a process may have. `folder` holds the credentials of all, or of one: `ca.crt`,
/// `sim.crt` and `sim.key`.
///
/// # Errors
///
/// A file is missing, damaged, out of date, of another shard or of another CA; all of it is in the message.
pub(crate) fn clients(
    folder: &Path,
    shards: impl IntoIterator<Item = Shard>,
    now: Timestamp,
) -> anyhow::Result<BTreeMap<u32, Arc<ClientConfig>>> {
    let trust = Trust::load(folder);
    let (mut configs, mut problems, mut count) = (BTreeMap::new(), Vec::new(), 1);
    for shard in shards {
        count = shard.count.get();
        match trust.as_ref().map(|trust| sim(folder, shard, trust, now)) {
            Ok(Ok(config)) => drop(configs.insert(shard.index, config)),
            Ok(Err(more)) => problems.extend(more),
            Err(problem) => {
                problems.push(problem.clone());
                break;
            }
        }
    }
    match problems.is_empty() {
        true => Ok(configs),
        false => Err(refused(folder, &problems, count)),
    }
}

/// TLS for the collector. A client without a certificate of this CA does not get through the handshake.
///
/// # Errors
///
/// A file is missing, damaged, out of date or of another CA; all of it is in the message.
pub(crate) fn server(folder: &Path, shards: u32, now: Timestamp) -> anyhow::Result<Arc<ServerConfig>> {
    let config = Trust::load(folder)
        .map_err(|problem| vec![problem])
        .and_then(|trust| collector(folder, &trust, now));
    config.map_err(|problems| refused(folder, &problems, shards))
}

/// Which shard the certificate of a client is of, once the handshake is over.
///
/// # Errors
///
/// It speaks another protocol, or its certificate is of no shard.
pub(crate) fn shard_of(connection: &rustls::ServerConnection) -> anyhow::Result<Shard> {
    ensure!(
        connection.alpn_protocol() == Some(ALPN),
        "the client does not speak the protocol of a sim"
    );
    let leaf = connection.peer_certificates().and_then(<[_]>::first);
    let leaf = leaf.context("the client has shown no certificate")?;
    let facts = CertificateFacts::from_der(leaf, "the client's certificate")?;
    named(&facts).with_context(|| {
        let name = facts.common_name.unwrap_or_default();
        format!(
            "the client's certificate is of `{}`, which is no shard",
            shown::text(&name)
        )
    })
}

/// The shard that a certificate names.
fn named(facts: &CertificateFacts) -> Option<Shard> {
    let name = facts.common_name.as_deref()?;
    name.strip_prefix(NAME_OF_SIM)?.parse().ok()
}

fn sim(folder: &Path, shard: Shard, trust: &Trust, now: Timestamp) -> Result<Arc<ClientConfig>, Vec<String>> {
    let own = Pair::of_sim(folder);
    let pair = match own.certificate.exists() || own.key.exists() {
        true => own,
        false => Pair::of_sim(&folder_of_sim(folder, shard)),
    };
    let identity = load(&pair)?;
    let file = shown::path(&pair.certificate).to_string();
    let of = named(&identity.leaf);
    let mut problems = Vec::new();
    if of != Some(shard) {
        let of = of.map_or_else(|| "no shard".to_owned(), |of| format!("shard {of}"));
        problems.push(format!("`{file}` is of {of}, and shard {shard} is to be simulated"));
    }
    problems.extend(valid(&identity, &file, now, || {
        trust.check_client(identity.chain(), now)
    }));
    if !problems.is_empty() {
        return Err(problems);
    }
    let mut config = ClientConfig::builder_with_provider(Arc::clone(&trust.provider))
        .with_safe_default_protocol_versions()
        .map_err(|error| vec![error.to_string()])?
        .with_webpki_verifier(Arc::clone(&trust.servers))
        .with_client_cert_resolver(Arc::new(SingleCertAndKey::from(identity.certified_key())));
    config.alpn_protocols = vec![ALPN.to_vec()];
    // Every connection proves anew that it has its key.
    config.resumption = Resumption::disabled();
    Ok(Arc::new(config))
}

fn collector(folder: &Path, trust: &Trust, now: Timestamp) -> Result<Arc<ServerConfig>, Vec<String>> {
    let pair = Pair::of_collector(folder);
    let identity = load(&pair)?;
    let file = shown::path(&pair.certificate).to_string();
    let check = || trust.check_server(identity.chain(), now);
    if let Some(problem) = valid(&identity, &file, now, check) {
        return Err(vec![problem]);
    }
    let mut config = ServerConfig::builder_with_provider(Arc::clone(&trust.provider))
        .with_safe_default_protocol_versions()
        .map_err(|error| vec![error.to_string()])?
        .with_client_cert_verifier(Arc::clone(&trust.clients))
        .with_cert_resolver(Arc::new(SingleCertAndKey::from(identity.certified_key())));
    config.alpn_protocols = vec![ALPN.to_vec()];
    config.session_storage = Arc::new(NoServerSessionStorage {});
    config.send_tls13_tickets = 0;
    Ok(Arc::new(config))
}

fn load(pair: &Pair) -> Result<Identity, Vec<String>> {
    let missing: Vec<_> = [&pair.certificate, &pair.key]
        .into_iter()
        .filter(|path| !path.exists())
        .map(|path| format!("`{}` is missing", shown::path(path)))
        .collect();
    if !missing.is_empty() {
        return Err(missing);
    }
    Identity::load(&pair.certificate, &pair.key).map_err(|error| vec![error.to_string()])
}

/// What is wrong with a certificate at `now`; `check` compares it with the CA.
fn valid(
    identity: &Identity,
    file: &str,
    now: Timestamp,
    check: impl FnOnce() -> Result<(), rustls::Error>,
) -> Option<String> {
    use rustls::CertificateError::{BadSignature, UnknownIssuer};
    if let Err(error) = identity.leaf.check_validity(now, &format!("`{file}`")) {
        return Some(error.to_string());
    }
    match check() {
        Ok(()) => None,
        Err(rustls::Error::InvalidCertificate(UnknownIssuer | BadSignature)) => Some(format!(
            "`{file}` is not signed by the CA of `{CA}`: they were made at different times"
        )),
        Err(error) => Some(format!("`{file}` can't be used: {error}")),
    }
}

/// What is trusted: the CA, and nothing else.
struct Trust {
    provider: Arc<CryptoProvider>,
    servers: Arc<WebPkiServerVerifier>,
    clients: Arc<dyn ClientCertVerifier>,
}

impl Trust {
    fn load(folder: &Path) -> Result<Self, String> {
        let path = folder.join(CA);
        if !folder.exists() {
            return Err(format!("there is no folder `{}`", shown::path(folder)));
        }
        if !path.exists() {
            return Err(format!("`{}` is missing", shown::path(&path)));
        }
        let cas = certificates(&path).map_err(|error: CertificateError| error.to_string())?;
        Self::in_cas(cas).map_err(|error| format!("`{}` can't be used: {error:#}", shown::path(&path)))
    }

    fn in_cas(cas: Vec<CertificateDer<'static>>) -> anyhow::Result<Self> {
        let mut roots = RootCertStore::empty();
        for ca in cas {
            roots.add(ca)?;
        }
        let (roots, provider) = (Arc::new(roots), Arc::new(aws_lc_rs::default_provider()));
        let (of_servers, of_clients) = (Arc::clone(&provider), Arc::clone(&provider));
        Ok(Self {
            provider,
            servers: WebPkiServerVerifier::builder_with_provider(Arc::clone(&roots), of_servers).build()?,
            clients: WebPkiClientVerifier::builder_with_provider(roots, of_clients).build()?,
        })
    }

    fn check_client(&self, chain: &[CertificateDer<'_>], now: Timestamp) -> Result<(), rustls::Error> {
        let (leaf, above) = chain.split_first().expect("a chain has a leaf");
        self.clients.verify_client_cert(leaf, above, unix(now)).map(drop)
    }

    /// Under the name that it has in any case.
    fn check_server(&self, chain: &[CertificateDer<'_>], now: Timestamp) -> Result<(), rustls::Error> {
        let (leaf, above) = chain.split_first().expect("a chain has a leaf");
        let name = ServerName::try_from("localhost").expect("it is a name");
        self.servers
            .verify_server_cert(leaf, above, &name, &[], unix(now))
            .map(drop)
    }
}

fn unix(now: Timestamp) -> UnixTime {
    let seconds = u64::try_from(now.as_second()).unwrap_or_default();
    UnixTime::since_unix_epoch(std::time::Duration::from_secs(seconds))
}

fn refused(folder: &Path, problems: &[String], shards: u32) -> anyhow::Error {
    let mut lines = problems[..problems.len().min(SHOWN)].join("\n  ");
    if let Some(more) = problems.len().checked_sub(SHOWN).filter(|more| *more > 0) {
        lines += &format!("\n  and {more} more");
    }
    anyhow!(
        "the credentials of the collector and its sims in `{}` can't be used:\n  {lines}",
        shown::path(folder)
    )
    .hint(format!(
        "`fleet prepare MANIFEST --plan FILE --collector NAME --shards {shards}` makes them; a sim needs `{CA}`, `sim.crt` and \
         `sim.key` of its shard, or the whole folder"
    ))
}
