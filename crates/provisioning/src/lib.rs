//! Certificates, attestation, registration with DPS and enrollment through IoT Central's REST API.
