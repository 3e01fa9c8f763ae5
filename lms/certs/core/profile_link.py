"""The address at which LinkedIn offers to add a certificate to a person's profile."""

from urllib.parse import urlencode

from lms.certs.core.document import Claim

ADD_TO_PROFILE = "https://www.linkedin.com/profile/add"


def linkedin_address(claim: Claim, certificate_url: str) -> str:
    """Return where LinkedIn takes this certificate; nothing is sent before its holder opens it.

    Source: LinkedIn's "Add to profile" link, its query parameters.
    """
    named = {
        "startTask": "CERTIFICATION_NAME",
        "name": claim.achievement.name,
        "organizationName": f"{claim.university.name} · {claim.company.name}",
        "issueYear": claim.issued_at.year,
        "issueMonth": claim.issued_at.month,
    }
    if claim.valid_until is not None:
        named |= {"expirationYear": claim.valid_until.year, "expirationMonth": claim.valid_until.month}
    named |= {"certUrl": certificate_url, "certId": claim.credential_id.removeprefix("urn:uuid:")}
    return f"{ADD_TO_PROFILE}?{urlencode(named)}"
