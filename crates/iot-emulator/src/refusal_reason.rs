//! Why a client is refused: a word for each case, which stays the same from version to version. What the client gets is
//! Azure's answer, which is one and the same for most of them; the journal and the page hold the word and a sentence.

use serde::Serialize;

/// Why a client was refused, in a word.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum RefusalReason {
    /// No client certificate was sent.
    NoCertificate,
    /// The common name of the certificate is not the id that the client calls itself.
    CommonName,
    /// The certificate signed itself, and no individual enrollment has it.
    NotEnrolled,
    /// The chain is whole, and no group has the CA at its end.
    UnknownCa,
    /// The chain leads to the CA of a group, and that is not verified.
    CaNotVerified,
    /// The chain ends before its root: the next issuer was not sent and is not enrolled.
    IssuerMissing,
    /// The issuer that is enrolled or was sent has the right name, and has not signed the certificate.
    AnotherIssuer,
    /// The certificate is enrolled individually, for another device.
    EnrolledForAnother,
    /// The device is enrolled individually, with other certificates than the one that it sent.
    EnrolledIndividually,
    /// A certificate of the chain has expired.
    Expired,
    /// A certificate of the chain is not valid yet.
    NotYetValid,
    /// A certificate of the chain may not be used for what it is used for, or can't be relied on.
    Unfit,
    /// The enrollment group is disabled.
    GroupDisabled,
    /// An operator has blocked the device.
    DeviceBlocked,
    /// The device waits for the approval of an operator.
    WaitsForApproval,
    /// The hub does not have the device.
    UnknownDevice,
    /// The device has never registered with DPS.
    NotRegistered,
    /// The certificate is not the one that the device registered with.
    AnotherCertificate,
    /// The device belongs to another hub.
    AnotherHub,
    /// There is no such hub.
    UnknownHub,
    /// There is no such id scope.
    UnknownIdScope,
    /// There is no such version of the interface.
    UnknownApiVersion,
    /// There is no user name, or it can't be read.
    UserName,
    /// The client id is not the one that goes with the user name.
    ClientId,
    /// Another protocol than MQTT 3.1.1.
    ProtocolVersion,
    /// The will has a topic that it may not have.
    Will,
    /// The client comes through a gateway, and may not.
    Gateway,
    /// Something that the emulator does not do.
    NotEmulated,
    /// A quota is used up, or a rule for faults refuses it.
    QuotaOrRule,
}
