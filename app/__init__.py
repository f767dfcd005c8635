"""Everything a person sees. Knows Gradio and the engine's facade; owns no model."""
