class AddStatusToAccounts < ActiveRecord::Migration[6.1]
  def change
    add_column :accounts, :status, :string, null: false, default: 'new'
    add_reference :accounts, :owner, type: :uuid, foreign_key: true, index: false
    change_column :accounts, :name, :text
    change_column_comment :accounts, :status, from: nil, to: 'how it is'
  end
end
