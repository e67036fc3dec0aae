"""Settings of what an operator hears."""

from pydantic import AnyHttpUrl, BaseModel, Field, SecretStr, TypeAdapter, ValidationError, field_validator

from billing_worker.domain.errors import SettingsInvalid


class AlertSettings(BaseModel):
    """Alerts to the operator. Without an address, they are in the API, the command line, `/metrics` and the events."""

    alert_url: SecretStr | None = Field(
        None, description='Address for alerts, posted as {"text": ...}: an incoming webhook of Slack or its like'
    )
    alert_mail: str | None = Field(
        None, description="Mail addresses for alerts, by BILLING_NOTICE_SMTP_URL and BILLING_NOTICE_FROM"
    )

    @field_validator("alert_url")
    @classmethod
    def _is_url(cls, value: SecretStr | None) -> SecretStr | None:
        """The address as a client writes it: a secret in a file ends with a new line."""
        if value is None:
            return None
        try:
            return SecretStr(str(TypeAdapter(AnyHttpUrl).validate_python(value.get_secret_value())))
        except ValidationError:
            # From None: the original names the value.
            raise ValueError("is no URL such as https://hooks.slack.com/services/...") from None

    def check_alerts(self, smtp_url: str | None, sender: str | None) -> None:
        """Raises SettingsInvalid for mail without a mail server."""
        if self.alert_mail is not None and (smtp_url is None or sender is None):
            raise SettingsInvalid(
                "BILLING_ALERT_MAIL: needs the mail server of BILLING_NOTICE_SMTP_URL and BILLING_NOTICE_FROM"
            )
