//! Messages of the standard's Base registry, and of vendors' own.

use serde_json::{Value, json};

/// One message of the Base registry, or of a vendor's.
#[derive(Debug, Clone)]
pub struct Message {
    pub id: String,
    pub text: String,
    pub arguments: Vec<String>,
    pub severity: &'static str,
    pub resolution: String,
    pub related: Option<String>,
}

/// Key, text with `%1` for arguments, severity, resolution: as the Base registry has them.
const BASE: &[(&str, &str, &str, &str)] = &[
    (
        "Success",
        "The request completed successfully.",
        "OK",
        "None.",
    ),
    (
        "Created",
        "The resource was created successfully.",
        "OK",
        "None.",
    ),
    (
        "GeneralError",
        "A general error has occurred. See Resolution for information on how to resolve the error.",
        "Critical",
        "Retry, and read the BMC's log.",
    ),
    (
        "ResourceMissingAtURI",
        "The resource at the URI '%1' was not found.",
        "Critical",
        "Place a valid resource at the URI or correct the URI and resubmit the request.",
    ),
    (
        "MalformedJSON",
        "The request body submitted was malformed JSON and could not be parsed by the receiving service.",
        "Critical",
        "Ensure that the request body is valid JSON and resubmit the request.",
    ),
    (
        "UnrecognizedRequestBody",
        "The service detected a malformed request body that it was unable to interpret.",
        "Warning",
        "Correct the request body and resubmit the request if it failed.",
    ),
    (
        "EmptyJSON",
        "The request body submitted contained an empty JSON object and the service is unable to process it.",
        "Warning",
        "Add properties in the JSON object and resubmit the request.",
    ),
    (
        "NoValidSession",
        "There is no valid session established with the implementation.",
        "Critical",
        "Establish a session before attempting any operations.",
    ),
    (
        "InsufficientPrivilege",
        "There are insufficient privileges for the account or credentials associated with the current session to perform the requested operation.",
        "Critical",
        "Either abandon the operation or change the associated access rights and resubmit the request if the operation failed.",
    ),
    (
        "ResourceAtUriUnauthorized",
        "While accessing the resource at '%1', the service received an authorization error '%2'.",
        "Critical",
        "Ensure that the appropriate access is provided for the service in order for it to access the URI.",
    ),
    (
        "PasswordChangeRequired",
        "The password provided for this account must be changed before access is granted. PATCH the 'Password' property for this account located at the target URI '%1' to complete this process.",
        "Critical",
        "Change the password for this account using a PATCH to the 'Password' property at the URI provided.",
    ),
    (
        "SessionLimitExceeded",
        "The session establishment failed due to the number of simultaneous sessions exceeding the limit of the implementation.",
        "Critical",
        "Reduce the number of other sessions before trying to establish the session or increase the limit of simultaneous sessions, if supported.",
    ),
    (
        "ServiceTemporarilyUnavailable",
        "The service is temporarily unavailable. Retry in %1 seconds.",
        "Critical",
        "Wait for the indicated retry duration and retry the operation.",
    ),
    (
        "OperationNotAllowed",
        "The HTTP method is not allowed on this resource.",
        "Critical",
        "None.",
    ),
    (
        "ActionNotSupported",
        "The action %1 is not supported by the resource.",
        "Critical",
        "The action supplied cannot be resubmitted to the implementation. Perhaps the action was invalid, the wrong resource was the target or the implementation documentation may be of assistance.",
    ),
    (
        "ActionParameterMissing",
        "The action %1 requires the parameter %2 to be present in the request body.",
        "Critical",
        "Supply the action with the required parameter in the request body when the request is resubmitted.",
    ),
    (
        "ActionParameterUnknown",
        "The action %1 was submitted with the invalid parameter %2.",
        "Warning",
        "Correct the invalid parameter and resubmit the request if the operation failed.",
    ),
    (
        "ActionParameterNotSupported",
        "The parameter %1 for the action %2 is not supported on the target resource.",
        "Warning",
        "Remove the parameter supplied and resubmit the request if the operation failed.",
    ),
    (
        "ActionParameterValueNotInList",
        "The value '%1' for the parameter %2 in the action %3 is not in the list of acceptable values.",
        "Warning",
        "Choose a value from the enumeration list that the implementation can support and resubmit the request if the operation failed.",
    ),
    (
        "ActionParameterValueConflict",
        "The parameter '%1' with the requested value of '%2' does not meet the constraints of the implementation.",
        "Warning",
        "Resolve the constraint and resubmit the request.",
    ),
    (
        "ActionParameterValueTypeError",
        "The value '%1' for the parameter %2 in the action %3 is not a type that the parameter can accept.",
        "Warning",
        "Correct the value for the parameter in the request body and resubmit the request if the operation failed.",
    ),
    (
        "PropertyUnknown",
        "The property %1 is not in the list of valid properties for the resource.",
        "Warning",
        "Remove the unknown property from the request body and resubmit the request if the operation failed.",
    ),
    (
        "PropertyNotWritable",
        "The property %1 is a read-only property and cannot be assigned a value.",
        "Warning",
        "Remove the property from the request body and resubmit the request if the operation failed.",
    ),
    (
        "PropertyMissing",
        "The property %1 is a required property and must be included in the request.",
        "Warning",
        "Ensure that the property is in the request body and has a valid value and resubmit the request if the operation failed.",
    ),
    (
        "PropertyValueTypeError",
        "The value '%1' for the property %2 is not a type that the property can accept.",
        "Warning",
        "Correct the value for the property in the request body and resubmit the request if the operation failed.",
    ),
    (
        "PropertyValueNotInList",
        "The value '%1' for the property %2 is not in the list of acceptable values.",
        "Warning",
        "Choose a value from the enumeration list that the implementation can support and resubmit the request if the operation failed.",
    ),
    (
        "PropertyValueOutOfRange",
        "The value '%1' for the property %2 is not in the supported range of acceptable values.",
        "Warning",
        "Correct the value for the property in the request body and resubmit the request if the operation failed.",
    ),
    (
        "PropertyValueConflict",
        "The property '%1' could not be written because its value would conflict with the value of the '%2' property.",
        "Warning",
        "No resolution is required.",
    ),
    (
        "PreconditionFailed",
        "The ETag supplied did not match the ETag required to change this resource.",
        "Critical",
        "Try the operation again using the appropriate ETag.",
    ),
    (
        "PreconditionRequired",
        "A precondition header or annotation is required to change this resource.",
        "Critical",
        "Try the operation again using an If-Match or If-None-Match header and appropriate ETag.",
    ),
    (
        "ResourceInUse",
        "The change to the requested resource failed because the resource is in use or in transition.",
        "Warning",
        "Remove the condition and resubmit the request if the operation failed.",
    ),
    (
        "ResourceExhaustion",
        "The resource '%1' was unable to satisfy the request due to unavailability of resources.",
        "Critical",
        "Ensure that the resources are available and resubmit the request.",
    ),
    (
        "ResourceAlreadyExists",
        "The requested resource of type %1 with the property %2 with the value '%3' already exists.",
        "Critical",
        "Do not repeat the create operation as the resource has already been created.",
    ),
    (
        "QueryParameterValueTypeError",
        "The value '%1' for the query parameter %2 is not a type that the parameter can accept.",
        "Warning",
        "Correct the value for the query parameter in the request and resubmit the request if the operation failed.",
    ),
    (
        "QueryParameterOutOfRange",
        "The value '%1' for the query parameter %2 is out of range %3.",
        "Warning",
        "Reduce the value for the query parameter to a value that is within range.",
    ),
    (
        "QueryNotSupportedOnResource",
        "Querying is not supported on the requested resource.",
        "Warning",
        "Remove the query parameters and resubmit the request if the operation failed.",
    ),
    (
        "QueryParameterUnsupported",
        "Query parameter '%1' is not supported.",
        "Warning",
        "Correct or remove the query parameter and resubmit the request.",
    ),
    (
        "AccessDenied",
        "The authentication credentials included with this request are missing or invalid.",
        "Critical",
        "Attempt to ensure that the URI is correct and that the service has the appropriate credentials.",
    ),
    (
        "HeaderInvalid",
        "Header '%1' is invalid.",
        "Warning",
        "Use a valid header and resubmit the request.",
    ),
    (
        "SourceDoesNotSupportProtocol",
        "The other end of the connection at '%1' does not support the specified protocol %2.",
        "Critical",
        "Change protocols or URIs.",
    ),
    (
        "ResourceAtUriInUnknownFormat",
        "The resource at '%1' is in a format not recognized by the service.",
        "Critical",
        "Place an image or resource or file that is recognized by the service at the URI.",
    ),
    (
        "UndeterminedFault",
        "An undetermined fault was detected at '%1'.",
        "Critical",
        "None.",
    ),
];

impl Message {
    pub fn new(key: &str) -> Self {
        let row = BASE.iter().find(|row| row.0 == key);
        debug_assert!(row.is_some(), "no message {key}");
        Self {
            id: format!("Base.1.18.{key}"),
            text: row.map_or(key, |row| row.1).to_owned(),
            arguments: Vec::new(),
            severity: row.map_or("Critical", |row| row.2),
            resolution: row.map_or("None.", |row| row.3).to_owned(),
            related: None,
        }
    }

    /// A message of a vendor's own registry.
    pub fn vendor(id: &str, text: &str, severity: &'static str) -> Self {
        Self {
            id: id.to_owned(),
            text: text.to_owned(),
            arguments: Vec::new(),
            severity,
            resolution: "None.".into(),
            related: None,
        }
    }

    #[must_use]
    pub fn arguments<const N: usize>(mut self, arguments: [&str; N]) -> Self {
        self.arguments = arguments.iter().map(|text| (*text).to_owned()).collect();
        for (position, argument) in arguments.iter().enumerate() {
            self.text = self.text.replace(&format!("%{}", position + 1), argument);
        }
        self
    }

    #[must_use]
    pub fn related(mut self, pointer: impl Into<String>) -> Self {
        self.related = Some(pointer.into());
        self
    }

    pub fn value(&self) -> Value {
        let mut value = json!({
            "@odata.type": "#Message.v1_1_2.Message",
            "MessageId": self.id,
            "Message": self.text,
            "MessageArgs": self.arguments,
            "Severity": self.severity,
            "MessageSeverity": self.severity,
            "Resolution": self.resolution,
        });
        if let Some(related) = &self.related {
            value["RelatedProperties"] = json!([related]);
        }
        value
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_hold_their_arguments() {
        let message = Message::new("PropertyValueNotInList").arguments(["Maybe", "Sriov"]);
        assert_eq!(
            message.text,
            "The value 'Maybe' for the property Sriov is not in the list of acceptable values."
        );
    }
}
