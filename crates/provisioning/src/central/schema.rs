//! The bodies of IoT Central's REST API, nothing else. Only the fields that are used; further ones are ignored.

/// What we send.
pub(super) mod request {
    use serde::Serialize;

    #[derive(Serialize)]
    #[serde(rename_all = "camelCase")]
    pub(in crate::central) struct EnrollmentGroup<'a> {
        pub(in crate::central) display_name: &'a str,
        pub(in crate::central) enabled: bool,
        pub(in crate::central) r#type: &'a str,
        pub(in crate::central) attestation: AttestationType<'a>,
    }

    #[derive(Serialize)]
    pub(in crate::central) struct AttestationType<'a> {
        pub(in crate::central) r#type: &'a str,
    }

    #[derive(Serialize)]
    pub(in crate::central) struct Certificate {
        /// base64 of the whole PEM file, armour lines included
        /// (<https://learn.microsoft.com/azure/iot-central/core/howto-manage-devices-with-rest-api>).
        pub(in crate::central) certificate: String,
    }

    #[derive(Serialize)]
    pub(in crate::central) struct X509Attestation {
        pub(in crate::central) r#type: &'static str,
        pub(in crate::central) x509: X509,
    }

    #[derive(Serialize)]
    #[serde(rename_all = "camelCase")]
    pub(in crate::central) struct X509 {
        pub(in crate::central) client_certificates: ClientCertificates,
    }

    #[derive(Serialize)]
    pub(in crate::central) struct ClientCertificates {
        #[serde(skip_serializing_if = "Option::is_none")]
        pub(in crate::central) primary: Option<Certificate>,
        #[serde(skip_serializing_if = "Option::is_none")]
        pub(in crate::central) secondary: Option<Certificate>,
    }

    #[derive(Serialize)]
    #[serde(rename_all = "camelCase")]
    pub(in crate::central) struct Command<'a> {
        #[serde(skip_serializing_if = "Option::is_none")]
        pub(in crate::central) request: Option<&'a serde_json::Value>,
        pub(in crate::central) connection_timeout: u8,
        pub(in crate::central) response_timeout: u8,
    }
}

/// What is answered.
pub mod response {
    use serde::Deserialize;
    use serde_json::Value;

    use crate::identities::Slot;

    /// An enrollment group.
    #[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
    #[serde(rename_all = "camelCase")]
    pub struct EnrollmentGroup {
        /// Its id.
        pub id: String,
        /// Its name in the user interface.
        pub display_name: String,
        /// Whether devices may register through it.
        #[serde(default = "yes")]
        pub enabled: bool,
        /// What its devices are: `iot` or `iotEdge`.
        #[serde(rename = "type", default = "iot")]
        pub group_type: String,
        /// How its devices prove who they are.
        pub attestation: GroupAttestation,
        /// The application's id scope. Only the preview of the API returns it.
        pub id_scope: Option<String>,
    }

    /// How a group's devices prove who they are.
    #[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
    #[serde(tag = "type", rename_all = "camelCase")]
    pub enum GroupAttestation {
        /// By leaves of a CA.
        X509 {
            /// The CAs.
            #[serde(default)]
            x509: SigningCertificates,
        },
        /// By keys derived from the group's.
        SymmetricKey,
        /// Something this client does not support.
        #[serde(other)]
        Other,
    }

    /// A group's CAs.
    #[derive(Debug, Clone, PartialEq, Eq, Default, Deserialize)]
    #[serde(rename_all = "camelCase")]
    pub struct SigningCertificates {
        /// Primary and secondary.
        #[serde(default)]
        pub signing_certificates: Slots,
    }

    /// How a device with an individual enrollment proves who it is.
    #[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
    #[serde(tag = "type", rename_all = "camelCase")]
    pub enum DeviceAttestation {
        /// By a certificate of its own.
        X509 {
            /// The certificates.
            #[serde(default)]
            x509: ClientCertificates,
        },
        /// By a key of its own.
        SymmetricKey,
        /// By a TPM.
        Tpm,
        /// Something this client does not support.
        #[serde(other)]
        Other,
    }

    /// A device's own certificates.
    #[derive(Debug, Clone, PartialEq, Eq, Default, Deserialize)]
    #[serde(rename_all = "camelCase")]
    pub struct ClientCertificates {
        /// Primary and secondary.
        #[serde(default)]
        pub client_certificates: Slots,
    }

    /// The two slots for a certificate.
    #[derive(Debug, Clone, PartialEq, Eq, Default, Deserialize)]
    pub struct Slots {
        /// The first.
        pub primary: Option<Certificate>,
        /// The second.
        pub secondary: Option<Certificate>,
    }

    impl Slots {
        /// The certificate in one of them.
        pub fn get(&self, slot: Slot) -> Option<&Certificate> {
            match slot {
                Slot::Primary => self.primary.as_ref(),
                Slot::Secondary => self.secondary.as_ref(),
            }
        }

        /// Where the certificate with this SHA-1 thumbprint stands, and whether it is verified.
        pub fn slot_of(&self, sha1: &str) -> Option<(Slot, bool)> {
            [Slot::Primary, Slot::Secondary].into_iter().find_map(|slot| {
                let certificate = self.get(slot)?;
                (certificate.sha1().as_deref() == Some(sha1)).then_some((slot, certificate.verified))
            })
        }
    }

    /// What the service returns of a certificate: never the certificate itself.
    #[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
    pub struct Certificate {
        /// Whether possession of its key was proved; always false for a device's own certificate.
        #[serde(default)]
        pub verified: bool,
        /// More of it.
        pub info: Option<CertificateInfo>,
    }

    impl Certificate {
        /// SHA-1 over the DER, in upper case however the service wrote it.
        pub fn sha1(&self) -> Option<String> {
            self.info.as_ref().map(|info| info.sha1_thumbprint.to_ascii_uppercase())
        }
    }

    /// More of a certificate.
    #[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
    #[serde(rename_all = "camelCase")]
    pub struct CertificateInfo {
        /// SHA-1 over the DER, hex.
        pub sha1_thumbprint: String,
    }

    #[derive(Deserialize)]
    #[serde(rename_all = "camelCase")]
    pub(in crate::central) struct VerificationCode {
        pub(in crate::central) verification_code: String,
    }

    /// A device.
    #[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
    #[serde(rename_all = "camelCase")]
    pub struct Device {
        /// Its id.
        pub id: String,
        /// Its name in the user interface.
        #[serde(default)]
        pub display_name: String,
        /// The id of its device template, once it has one.
        pub template: Option<String>,
        /// Whether it may connect.
        #[serde(default = "yes")]
        pub enabled: bool,
        /// Whether it has registered with DPS.
        #[serde(default)]
        pub provisioned: bool,
        /// Whether IoT Central itself plays the device.
        #[serde(default)]
        pub simulated: bool,
    }

    /// That a device is behind a gateway.
    #[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
    pub struct Relationship {
        /// Tells apart the relationships of one gateway.
        pub id: String,
        /// The gateway.
        pub source: String,
        /// The device behind it.
        pub target: String,
    }

    /// What a device needs to reach DPS. Keys that may stand beside it are not read.
    #[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
    #[serde(rename_all = "camelCase")]
    pub struct DeviceCredentials {
        /// The application's id scope.
        pub id_scope: String,
    }

    /// The last known value of one telemetry.
    #[derive(Debug, Clone, PartialEq, Deserialize)]
    pub struct Telemetry {
        /// When it was sent, RFC 3339.
        pub timestamp: Option<String>,
        /// The value.
        pub value: Value,
    }

    /// What a command came to.
    #[derive(Debug, Clone, PartialEq, Deserialize)]
    #[serde(rename_all = "camelCase")]
    pub struct Command {
        /// What the device answered.
        pub response: Option<Value>,
        /// The status it answered with.
        pub response_code: Option<i64>,
    }

    /// How much telemetry of a run the emulator has received.
    #[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
    pub struct EmulatorRun {
        /// Messages, repeated ones included.
        pub telemetry_received: u64,
        /// Messages, each counted once.
        pub telemetry_received_unique: u64,
    }

    /// What happened to a device, as the emulator's journal has it. Only what several kinds of event have in common.
    #[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
    pub struct JournalEntry {
        /// Its number.
        pub seq: u64,
        /// The device, as it calls itself, where one is known.
        pub device: Option<String>,
        /// What happened: `connected`, `disconnected`, `refused`, `registered`, `registration_refused`, …
        pub event: String,
        /// By which service: `dps` or `hub`.
        pub service: Option<String>,
        /// Why it was refused, in a sentence.
        pub reason: Option<String>,
        /// Why it was refused or its connection ended, in a word: `unknown_ca`, `disconnect`, `disabled`, …
        pub why: Option<String>,
    }

    #[derive(Deserialize)]
    pub(in crate::central) struct EmulatorStats {
        pub(in crate::central) run: EmulatorRun,
    }

    #[derive(Deserialize)]
    pub(in crate::central) struct EmulatorSignIn {
        pub(in crate::central) path: String,
    }

    #[derive(Deserialize)]
    #[serde(rename_all = "camelCase")]
    pub(in crate::central) struct Page<T> {
        #[serde(default = "Vec::new")]
        pub(in crate::central) value: Vec<T>,
        pub(in crate::central) next_link: Option<String>,
    }

    #[derive(Deserialize)]
    pub(in crate::central) struct ErrorBody {
        pub(in crate::central) error: ErrorDetail,
    }

    #[derive(Default, Deserialize)]
    #[serde(rename_all = "camelCase")]
    pub(in crate::central) struct ErrorDetail {
        pub(in crate::central) code: Option<String>,
        pub(in crate::central) message: Option<String>,
        pub(in crate::central) request_id: Option<String>,
    }

    fn yes() -> bool {
        true
    }

    fn iot() -> String {
        "iot".to_owned()
    }
}
