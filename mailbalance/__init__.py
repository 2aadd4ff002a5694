"""One send() for Amazon SES and Mailtrap, split exactly by weight."""
