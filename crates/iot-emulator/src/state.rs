//! The state folder: what must outlive the process so that clients need not be set up again.

use std::path::{Path, PathBuf};
use std::{fs, io};

use files::{Access, Durability, write_whole};
use jiff::Timestamp;

use crate::authority::Authority;
use crate::certificate::Certificate;
use crate::error::{Remedy, StartError};
use crate::token::ApiToken;

/// What clients trust.
const CA_CERT: &str = "ca_cert.pem";
const CA_KEY: &str = "ca_key.pem";
const API_TOKEN: &str = "api_token";
/// Everything that the services keep.
const DATABASE: &str = "emulator.redb";

/// Where the files of a state folder are.
#[derive(Debug, Clone)]
pub(crate) struct StateFolder(PathBuf);

impl StateFolder {
    /// Opens the folder; makes it, readable by its owner only, if it is not there.
    pub(crate) fn open(path: &Path) -> Result<Self, StartError> {
        let mut builder = fs::DirBuilder::new();
        builder.recursive(true);
        #[cfg(unix)]
        {
            use std::os::unix::fs::DirBuilderExt;
            builder.mode(0o700);
        }
        builder.create(path).map_err(|source| StartError::State {
            path: path.into(),
            source,
        })?;
        Ok(Self(path.into()))
    }

    pub(crate) fn ca_cert(&self) -> PathBuf {
        self.0.join(CA_CERT)
    }

    pub(crate) fn api_token_file(&self) -> PathBuf {
        self.0.join(API_TOKEN)
    }

    pub(crate) fn database(&self) -> PathBuf {
        self.0.join(DATABASE)
    }

    /// The authority of this folder, made when there is none or when it has expired.
    pub(crate) fn authority(&self, now: Timestamp) -> Result<Authority, StartError> {
        let (cert_path, key_path) = (self.ca_cert(), self.0.join(CA_KEY));
        let bad = |path: &Path, reason: String| StartError::BadState {
            path: path.into(),
            reason,
            remedy: Remedy::Authority,
        };
        match (read(&cert_path)?, read(&key_path)?) {
            (Some(certificate), Some(key)) => {
                let parsed =
                    Certificate::from_text(&certificate).map_err(|error| bad(&cert_path, error.to_string()))?;
                if parsed.is_valid_at(now) {
                    let authority = Authority::load(certificate, &key)
                        .map_err(|_| bad(&key_path, "it is no private key".into()))?;
                    if !parsed.is_for(authority.public_key()) {
                        return Err(bad(&key_path, format!("it is not the key of {CA_CERT}")));
                    }
                    return Ok(authority);
                }
            }
            // Clients trust the authority whose half is still there: a new one would lock all of them out.
            (Some(_), None) => return Err(bad(&key_path, format!("it is missing, and {CA_CERT} is there"))),
            (None, Some(_)) => return Err(bad(&cert_path, format!("it is missing, and {CA_KEY} is there"))),
            (None, None) => {}
        }
        let authority = Authority::generate(now)?;
        write(&key_path, &authority.key_pem(), Access::Owner)?;
        write(&cert_path, &authority.certificate_pem, Access::Folder)?;
        Ok(authority)
    }

    /// The API token of this folder, made when there is none.
    pub(crate) fn api_token(&self) -> Result<ApiToken, StartError> {
        let path = self.api_token_file();
        match read(&path)? {
            Some(text) => ApiToken::parse(&text).ok_or_else(|| StartError::BadState {
                path,
                reason: "it holds no token that fits into a header".into(),
                remedy: Remedy::ApiToken,
            }),
            None => {
                let token = ApiToken::generate();
                write(&path, token.reveal(), Access::Owner)?;
                Ok(token)
            }
        }
    }
}

fn read(path: &Path) -> Result<Option<String>, StartError> {
    match fs::read_to_string(path) {
        Ok(text) => Ok(Some(text)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(source) => Err(StartError::State {
            path: path.into(),
            source,
        }),
    }
}

fn write(path: &Path, text: &str, access: Access) -> Result<(), StartError> {
    write_whole(path, text.as_bytes(), access, Durability::Synced).map_err(|source| StartError::State {
        path: path.into(),
        source,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn authority_and_token_are_the_same_at_the_next_start_and_secrets_are_the_owners() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("state");
        let now = crate::clock::now();
        let open = || {
            let state = StateFolder::open(&path).unwrap();
            (
                state.authority(now).unwrap().certificate_pem,
                state.api_token().unwrap().reveal().to_owned(),
            )
        };
        assert_eq!(open(), open());
        #[cfg(unix)]
        for name in [CA_KEY, API_TOKEN] {
            use std::os::unix::fs::PermissionsExt;
            let mode = fs::metadata(path.join(name)).unwrap().permissions().mode();
            assert_eq!(mode & 0o777, 0o600, "{name}");
        }
    }

    #[test]
    fn a_spoilt_file_is_named() {
        let folder = tempfile::tempdir().unwrap();
        let state = StateFolder::open(folder.path()).unwrap();
        state.authority(crate::clock::now()).unwrap();
        let other = Authority::generate(crate::clock::now()).unwrap();
        fs::write(folder.path().join(CA_KEY), other.key_pem()).unwrap();
        let error = state.authority(crate::clock::now()).err().unwrap().to_string();
        assert!(
            error.contains("ca_key.pem is not usable: it is not the key of ca_cert.pem"),
            "{error}"
        );
        fs::write(state.ca_cert(), "nonsense").unwrap();
        let error = state.authority(crate::clock::now()).err().unwrap().to_string();
        assert!(
            error.contains(CA_CERT) && error.contains("not an X.509 certificate"),
            "{error}"
        );
    }

    #[test]
    fn half_an_authority_is_an_error_and_no_advice_costs_more_than_it_must() {
        for (gone, there) in [(CA_KEY, CA_CERT), (CA_CERT, CA_KEY)] {
            let folder = tempfile::tempdir().unwrap();
            let state = StateFolder::open(folder.path()).unwrap();
            state.authority(crate::clock::now()).unwrap();
            let left = fs::read(folder.path().join(there)).unwrap();
            fs::remove_file(folder.path().join(gone)).unwrap();
            let error = state.authority(crate::clock::now()).err().unwrap().to_string();
            assert!(
                error.contains(&format!(
                    "{gone} is not usable: it is missing, and {there} is there; restore"
                )),
                "{error}"
            );
            assert!(error.contains("enrollments and devices stay"), "{error}");
            assert_eq!(fs::read(folder.path().join(there)).unwrap(), left);
        }
        let folder = tempfile::tempdir().unwrap();
        let state = StateFolder::open(folder.path()).unwrap();
        fs::write(state.api_token_file(), "").unwrap();
        let error = state.api_token().err().unwrap().to_string();
        assert!(error.contains("remove this file alone for a new token"), "{error}");
    }

    #[cfg(unix)]
    #[test]
    fn a_planted_file_gets_no_secret() {
        use std::io::Read;
        use std::os::unix::fs::{PermissionsExt, symlink};

        let folder = tempfile::tempdir().unwrap();
        let state = StateFolder::open(folder.path()).unwrap();
        let victim = folder.path().join("victim");
        fs::write(&victim, "precious").unwrap();
        symlink(&victim, folder.path().join("ca_key.pem.partial")).unwrap();
        let planted = folder.path().join("api_token.partial");
        fs::write(&planted, "").unwrap();
        fs::set_permissions(&planted, fs::Permissions::from_mode(0o666)).unwrap();
        let mut held = fs::File::open(&planted).unwrap();

        state.authority(crate::clock::now()).unwrap();
        state.api_token().unwrap();
        assert_eq!(fs::read_to_string(&victim).unwrap(), "precious");
        assert!(fs::symlink_metadata(folder.path().join(CA_KEY)).unwrap().is_file());
        let mode = fs::metadata(state.api_token_file()).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
        let mut seen = String::new();
        held.read_to_string(&mut seen).unwrap();
        assert_eq!(seen, "");
    }
}
