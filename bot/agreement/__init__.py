"""The support agreement as pure data and arithmetic: what is covered, what is not, and what an error of judgement costs."""
