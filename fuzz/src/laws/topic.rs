//! Topics, topic filters and user names, of DPS and of the hub: what is read is written so that it reads as the same,
//! and written again it is the same text.

use std::fmt::{Debug, Display};
use std::str::FromStr;

use iot_protocol::dps::{RequestTopic, ResponseTopic};
use iot_protocol::hub::{FromHub, Subscription, ToHub};
use iot_protocol::id::{DeviceId, HubHost, IdScope, ModelId, RegistrationId, RequestId};
use iot_protocol::username::{DpsUserName, HubUserName, UserName};

/// The law.
///
/// # Panics
///
/// It does not hold.
pub fn law(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    same::<ToHub>(text);
    same::<FromHub>(text);
    same::<Subscription>(text);
    same::<RequestTopic>(text);
    same::<ResponseTopic>(text);
    same::<DpsUserName>(text);
    same::<HubUserName>(text);
    for is_verbatim in [
        verbatim::<DeviceId>(text),
        verbatim::<HubHost>(text),
        verbatim::<IdScope>(text),
        verbatim::<ModelId>(text),
        verbatim::<RegistrationId>(text),
        verbatim::<RequestId>(text),
    ] {
        assert!(is_verbatim, "an id is not what was written: {text:?}");
    }
    // One port serves both services, so a user name is one or the other, as its own type reads it.
    match text.parse::<UserName>() {
        Ok(UserName::Dps(user)) => assert_eq!(text.parse::<DpsUserName>(), Ok(user)),
        Ok(UserName::Hub(user)) => assert_eq!(text.parse::<HubUserName>(), Ok(user)),
        Err(error) => assert!(!error.to_string().is_empty()),
    }
}

fn same<T: FromStr<Err: Debug> + Display + PartialEq + Debug>(text: &str) {
    let Ok(read) = text.parse::<T>() else { return };
    let written = read.to_string();
    let again = written.parse::<T>();
    assert_eq!(again.as_ref().ok(), Some(&read), "written as {written:?}: {again:?}");
    assert_eq!(read.to_string(), written);
}

fn verbatim<T: FromStr + Display>(text: &str) -> bool {
    text.parse::<T>().map_or(true, |id| id.to_string() == text)
}
