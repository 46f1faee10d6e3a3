//! The story as data: what each step is called, why it happens, and where the same stands in IoT Central and on the
//! emulator's page.

/// What is done in a step.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Act {
    Emulator,
    Certificates,
    Group,
    Upload,
    Proof,
    Hundred,
    Chain,
    Expired,
    Block,
    Breach,
    End,
}

/// A step of the story.
#[derive(Debug)]
pub(super) struct Step {
    pub(super) act: Act,
    pub(super) title: &'static str,
    /// What happens, and why.
    pub(super) story: &'static str,
    /// The same in IoT Central.
    pub(super) portal: &'static str,
    /// Where to look on the emulator's page.
    pub(super) page: &'static str,
}

/// What a person should have read before the first step.
pub(super) const OPENING: &str = "X.509 group enrollment in eleven steps. A line after $ is what is run; it can be typed \
     again in another terminal, in the current folder. A line after ✓ is a result that was checked.";

/// All steps, in order.
pub(super) const STEPS: [Step; 11] = [
    Step {
        act: Act::Emulator,
        title: "The emulator starts",
        story: "It stands in for Azure: the Device Provisioning Service (DPS), an IoT hub and IoT Central's REST API, with \
                real TLS and real certificates. It listens on free ports that only this machine reaches.",
        portal: "Your application is there already. Permissions > Device connection groups shows its ID scope.",
        page: "The link that is printed below opens it, once and within ten minutes; later, the token in the file \
               emulator/api_token does. Keep the page open beside this terminal.",
    },
    Step {
        act: Act::Certificates,
        title: "A root CA, and a device certificate below it",
        story: "The root signs a leaf certificate for a device named hall. The leaf's common name is the registration id. The \
                private keys stay in the folder: Azure only ever sees certificates.",
        portal: "Nothing yet. The how-to makes these files with create_test_cert.js, from the same arguments.",
        page: "Nothing yet: these are only files.",
    },
    Step {
        act: Act::Group,
        title: "An enrollment group",
        story: "An enrollment group admits every device whose certificate leads to the group's CA, so no device has to be \
                listed. The new group has no CA yet, and admits no device.",
        portal: "Permissions > Device connection groups > + New. Name: thermostats. Attestation type: Certificates (X.509). \
                 Group type: IoT devices. Save.",
        page: "Device connection groups → thermostats",
    },
    Step {
        act: Act::Upload,
        title: "The root is uploaded, and a device is refused",
        story: "A certificate is public, so anyone could upload this one. DPS doesn't trust the root until someone has \
                proved that its private key is theirs. The device hall tries to register all the same. DPS answers only that \
                it is not authorized; the reason is in the emulator's journal.",
        portal: "In the group, Manage primary > Add certificate: upload root_cert.pem. Leave certificate status verified on \
                 upload at Off.",
        page: "Device connection groups → thermostats: the certificate is not verified. Journal: hall is refused.",
    },
    Step {
        act: Act::Proof,
        title: "Proof of possession, and the device is admitted",
        story: "The service issues a code. Only someone who has the root's private key can sign a certificate whose common \
                name is that code. After this proof the root is verified, and hall tries again with the same certificate.",
        portal: "Generate verification code. Then Verify, and upload verification_cert.pem.",
        page: "Device connection groups → thermostats: verified. Devices → hall: online.",
    },
    Step {
        act: Act::Hundred,
        title: "A hundred devices",
        story: "fleet run issues a hundred leaves below the same root. Each device registers, connects and reports on its \
                own, over a TLS connection of its own. The group needs no change for them.",
        portal: "Nothing: that is what a group is for. The devices appear under Devices by themselves.",
        page: "Devices → thermo-0001, and ninety-nine others.",
    },
    Step {
        act: Act::Chain,
        title: "A chain with a gap",
        story: "The device attic has a leaf below an intermediate CA, which is below the root. DPS has only the root, so the \
                device has to send the intermediate. First it sends its leaf alone, then the full chain.",
        portal: "Nothing: the root in the group is enough, if devices send their full chain.",
        page: "Journal: attic is refused, then admitted. Devices → attic",
    },
    Step {
        act: Act::Expired,
        title: "An expired certificate",
        story: "The leaf of the device cellar has expired. Our own simulated device would not send it, so this step sends \
                it to DPS over HTTPS, as a device with a wrong clock would.",
        portal: "Nothing: each certificate is checked against the date whenever a device registers.",
        page: "Journal: cellar is refused.",
    },
    Step {
        act: Act::Block,
        title: "A device is blocked, and unblocked",
        story: "One device of a group is to be shut out, and its certificate is as valid as all others. So the device itself \
                is blocked: the hub ends its session at once, and refuses it when it returns. Unblocked, it is admitted \
                again.",
        portal: "Devices > hall > Block, and later Unblock.",
        page: "Devices → hall: blocked, then online. Journal",
    },
    Step {
        act: Act::Breach,
        title: "A breach: every certificate is rolled",
        story: "Suppose that the root's private key was stolen: the thief can make certificates for any device. fleet roll \
                blocks the hundred devices, puts a new root in the place of the stolen one and proves it, issues new \
                leaves, and unblocks the devices wave by wave. At the end, old certificates are tried: none may work.",
        portal: "Devices: Block. In the group, Manage primary: replace the certificate by the new root, and verify it. \
                 Devices, once they have new certificates: Unblock.",
        page: "Device connection groups → thermostats: another thumbprint. Devices → thermo-0001. Journal",
    },
    Step {
        act: Act::End,
        title: "The end",
        story: "The run is ended as a person would end it from another terminal: its devices drain and disconnect, and its \
                report is written. Then the other devices and the emulator stop.",
        portal: "Devices, then the group, can be deleted; fleet unenroll does it for a manifest.",
        page: "It ends with the emulator.",
    },
];

/// What to read next.
pub(super) const NEXT: [(&str, &str); 4] = [
    (
        "docs/how-to-x509.md",
        "the same steps, one by one, also for your own application",
    ),
    (
        "docs/rolling-certificates.md",
        "what a roll does, in which order, and why",
    ),
    (
        "configs/demo.toml",
        "a fleet with its emulator in one command: fleet run configs/demo.toml",
    ),
    (
        "configs/iot-central.toml",
        "a fleet in your own IoT Central application",
    ),
];
